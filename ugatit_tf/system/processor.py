"""Finds out which number types the processor computes in hardware."""

from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
# The Linux names of the instructions with which oneDNN multiplies in each type, on x86 and then on Arm.
_INSTRUCTIONS = {
    "bfloat16": {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16", "svebf16"},
    "float16": {"avx512_fp16", "amx_fp16", "avx_ne_convert", "asimdhp", "fphp"},
}


def lacks(dtype: str) -> bool:
    """Returns whether the processor is known to lack instructions for a type; False if that is unknown.

    Args:
        dtype: "float32", "bfloat16" or "float16".
    """
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:  # only Linux has this file
        return False
    features = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return dtype in _INSTRUCTIONS and bool(features) and not _INSTRUCTIONS[dtype] & set(features.split())
