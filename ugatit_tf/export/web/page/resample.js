/* Resizes as the training did: bilinear with half-pixel centres, antialiased if the image shrinks (a canvas is not). */

/** Returns, for each place of the result, the first source and the weights of the sources. */
function taps(from, to) {
  const scale = from / to;
  const reach = Math.max(1, scale);
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const start = Math.max(0, Math.floor(centre - reach + 0.5));
    const end = Math.min(from, Math.floor(centre + reach + 0.5));
    const weights = [];
    for (let at = start; at < end; at++) weights.push(Math.max(0, 1 - Math.abs(at + 0.5 - centre) / reach));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { start, weights: weights.map((weight) => weight / sum) };
  });
}

/**
 * Resizes numbers [height, width, channels]: first the width, then the height. Bytes are rounded after each.
 * @returns [toHeight, toWidth, channels] of the same type
 */
export function resample(data, width, height, channels, toWidth, toHeight) {
  const Numbers = data.constructor;
  // Uint8ClampedArray would round halves to the even number.
  const rounded = data instanceof Uint8ClampedArray ? (value) => Math.floor(value + 0.5) : (value) => value;
  const rows = new Numbers(height * toWidth * channels);
  const columns = taps(width, toWidth);
  for (let y = 0, out = 0; y < height; y++) {
    for (const { start, weights } of columns) {
      for (let channel = 0; channel < channels; channel++, out++) {
        let at = (y * width + start) * channels + channel;
        let sum = 0;
        for (const weight of weights) {
          sum += weight * data[at];
          at += channels;
        }
        rows[out] = rounded(sum);
      }
    }
  }
  const stride = toWidth * channels;
  const result = new Numbers(toHeight * stride);
  taps(height, toHeight).forEach(({ start, weights }, y) => {
    const sums = new Float32Array(stride);
    weights.forEach((weight, offset) => {
      const source = (start + offset) * stride;
      for (let x = 0; x < stride; x++) sums[x] += weight * rows[source + x];
    });
    result.set(sums.map(rounded), y * stride);
  });
  return result;
}
