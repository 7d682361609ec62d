"""The model of U-GAT-IT: its networks, its optimizers and one training step (section 2.2 of the paper)."""

import dataclasses
from collections.abc import Callable
from typing import Any, Self

import keras
import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.networks.generator import Generator
from ugatit_tf.ops import check_keras_settings, cpu_kernels
from ugatit_tf.training import ema, losses, penalties, replicas
from ugatit_tf.training.evaluated import Evaluated, pair
from ugatit_tf.training.gradients import Update
from ugatit_tf.training.networks import Translations, build_discriminator, build_generator, translate_batches
from ugatit_tf.training.objective import GENERATOR_METRICS, Metrics, Objective, rho_metrics
from ugatit_tf.training.optimizer import Schedule, linear_decay


@keras.saving.register_keras_serializable("ugatit_tf")
class UGATIT(Evaluated):
    """The networks of U-GAT-IT: `generator_B` translates A to B, `discriminator_B` judges images of B, and the reverse.

    The loop of the command line runs `train_step`; `compile()` and `fit()` on a dataset of (A, B) batches run the same
    step. The networks are built when the object is made.

    Args:
        config: sizes, loss weights and all other options; see `Config`.
        uniform: makes the penalties' source of random numbers from a seed of shape `[2]`.

    Raises:
        UsageError: The configuration is not valid; for example, the images are too small for the discriminators.

    Example:
        >>> import numpy as np
        >>> from ugatit_tf import UGATIT, Config
        >>> model = UGATIT(Config(light=True, ch=4, n_res=1, n_dis=4, img_size=32))
        >>> model.compile()
        >>> real_a = real_b = np.zeros((1, 32, 32, 3), "float32")
        >>> translations = model.translate(real_a, real_b)  # model.train_step((real_a, real_b)) also trains
        >>> tuple(translations.a_to_b.image.shape), model.steps_taken
        ((1, 32, 32, 3), 0)
    """

    def __init__(
        self, config: Config, uniform: Callable[[tf.Tensor], penalties.Uniform] = penalties.seeded_uniform
    ) -> None:
        check_keras_settings()
        super().__init__(name="ugatit")
        config.validate()
        self.config = config
        self.objective = Objective(config, uniform)
        self.generator_A, self.generator_B = (build_generator(config, domain) for domain in "AB")
        for generator in (self.generator_A, self.generator_B):
            generator.recompute = config.recompute
        self.discriminator_A, self.discriminator_B = (build_discriminator(config, domain) for domain in "AB")
        # The averages are built last, so that the other networks get the same initial weights without averages.
        self.averages = tuple(build_generator(config, domain, average=True) for domain in "AB" if config.ema)
        self.start_averages()
        self.step = self.add_weight(name="step", shape=(), dtype="int64", initializer="zeros", trainable=False)
        # A step without a generator update repeats these, so that every step has every metric.
        self.generator_metrics = self.add_weight(
            name="generator_metrics", shape=(len(GENERATOR_METRICS),), initializer="zeros", trainable=False
        )
        self.built = True

    def compile(self, learning_rate: float | Schedule | None = None, **kwargs: Any) -> None:
        """Makes the two Adam optimizers of the reference.

        Callbacks find the generators' optimizer as `optimizer`. If `learning_rate` is a number, they may change its
        rate, and the discriminators' optimizer takes the same rate. A function sets the rate anew at every step.

        Args:
            learning_rate: a number, a function of the step, or None for the config's linear decay.
            **kwargs: for `keras.Model.compile`, such as `run_eagerly`; `jit_compile` is off unless given.

        Raises:
            TypeError: An optimizer, a loss or metrics are given.
        """
        super().compile(**({"jit_compile": False} | kwargs))
        self._compile_arguments = {"learning_rate": learning_rate, **kwargs}
        config = self.config
        if learning_rate is None:
            decay_epoch = config.decay_epoch if config.decay_flag else config.epoch
            learning_rate = linear_decay(config.lr, config.epoch, decay_epoch, config.iteration)
        self.has_schedule = callable(learning_rate)
        self._generator_update = self._update_of("generator")
        self._discriminator_update = self._update_of("discriminator")
        self.generator_optimizer = self._generator_update.optimizer
        self.discriminator_optimizer = self._discriminator_update.optimizer
        self.optimizer = self.generator_optimizer
        if self.has_schedule:
            self.learning_rate = learning_rate
        else:
            self.generator_optimizer.learning_rate.assign(learning_rate)
            self.learning_rate = lambda _: replicas.local(self.generator_optimizer.learning_rate).read_value()

    def get_config(self) -> dict[str, Any]:
        return {"config": dataclasses.asdict(self.config)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(Config(**config["config"]))

    def get_compile_config(self) -> dict[str, Any]:
        return keras.saving.serialize_keras_object(self._compile_arguments) if self.compiled else {}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def generator_variables(self) -> list[keras.Variable]:
        """The trainable variables of both generators."""
        return self.generator_A.trainable_variables + self.generator_B.trainable_variables

    @property
    def average_variables(self) -> list[keras.Variable]:
        """The moving averages of `generator_variables`, in the same order; none without `config.ema`."""
        return [variable for average in self.averages for variable in average.variables]

    @property
    def discriminator_variables(self) -> list[keras.Variable]:
        """The trainable variables of both discriminators."""
        return self.discriminator_A.trainable_variables + self.discriminator_B.trainable_variables

    @property
    def state(self) -> list[keras.Variable]:
        """All variables that a resumed run restores; the order of the data and all seeds follow from the step."""
        return self.variables + self.generator_optimizer.variables + self.discriminator_optimizer.variables

    @property
    def steps_taken(self) -> int:
        """The number of training steps taken."""
        return int(self.step.numpy())

    def sampler(self, domain: str) -> Generator:
        """Returns the generator that makes pictures of "A" or "B" for users: the moving average if there is one."""
        generators = self.averages or (self.generator_A, self.generator_B)
        return generators["AB".index(domain)]

    def start_averages(self) -> None:
        """Sets the moving averages, if there are any, to the generators' present weights."""
        if self.averages:
            for average, variable in zip(self.average_variables, self.generator_variables, strict=True):
                average.assign(variable)

    def train_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> Metrics:
        """Updates the discriminators and then, if `step % n_critic == 0`, the generators against them.

        Args:
            data: real images of A and of B, float32 `[B, H, W, C]` in [-1, 1]. In the scope of a strategy of
                `tf.distribute`, they are distributed over its replicas. The step equals that of one device with all
                images.

        Returns:
            Scalars by name: the losses of `discriminator_losses` and `generator_losses` before the update, the norms of
            `Update.apply`, `learning_rate`, and the minimum, mean and maximum of rho after the update. A step without a
            generator update repeats the generators' scalars of the last update.
        """

        def step(update: Callable[[tf.Tensor, tf.Tensor], Metrics]) -> Metrics:
            return replicas.run(self._step, pair(data), update)

        if self.config.n_critic == 1:
            return step(self._update_all)
        return replicas.either(
            self.step.value % self.config.n_critic == 0,
            lambda: step(self._update_all),
            lambda: step(self._update_discriminators_alone),
        )

    @cpu_kernels()
    def _step(self, data: tuple[tf.Tensor, tf.Tensor], update: Callable[[tf.Tensor, tf.Tensor], Metrics]) -> Metrics:
        learning_rate = self.learning_rate(self.step.value)
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            replicas.local(optimizer.learning_rate).assign(learning_rate)
        metrics = update(*self.images(data))
        self.step.assign_add(1)
        return metrics | {"learning_rate": learning_rate}

    def _update_all(self, real_a: tf.Tensor, real_b: tf.Tensor) -> Metrics:
        """Updates the discriminators on translations, then the generators against the updated discriminators."""
        with self._generator_update.recording() as recording:
            translations = self.translate(real_a, real_b)
            with recording.tape.stop_recording():
                metrics = self._update_discriminators(real_a, real_b, translations)
            loss, generator_metrics = self.generator_losses(real_a, real_b, translations)
        generator_metrics |= self._generator_update.apply(recording, loss) | rho_metrics(self.generator_variables)
        if self.averages:
            count = self.generator_optimizer.iterations.value
            ema.update(self.average_variables, self.generator_variables, self.config.ema, count)
        metrics["skipped"] = tf.maximum(metrics["skipped"], generator_metrics.pop("skipped"))
        if self.config.n_critic > 1:
            self.generator_metrics.assign(tf.stack([generator_metrics[name] for name in GENERATOR_METRICS]))
        return metrics | generator_metrics

    def _update_discriminators_alone(self, real_a: tf.Tensor, real_b: tf.Tensor) -> Metrics:
        """Updates the discriminators alone; the generators' metrics are those of their last update."""
        metrics = self._update_discriminators(real_a, real_b, self.translate(real_a, real_b))
        return metrics | dict(zip(GENERATOR_METRICS, tf.unstack(self.generator_metrics.value), strict=True))

    def _update_discriminators(self, real_a: tf.Tensor, real_b: tf.Tensor, translations: Translations) -> Metrics:
        fake_a = tf.stop_gradient(translations.b_to_a.image)
        fake_b = tf.stop_gradient(translations.a_to_b.image)
        with self._discriminator_update.recording() as recording:
            loss, metrics = self.discriminator_losses(real_a, real_b, fake_a, fake_b)
        return metrics | self._discriminator_update.apply(recording, loss)

    def translate(self, real_a: tf.Tensor, real_b: tf.Tensor) -> Translations:
        """Calls each generator once, with the images of both domains, `[B, H, W, C]` in [-1, 1] each, as one batch."""
        a_to_b, b_to_b = translate_batches(self.generator_B, real_a, real_b)
        b_to_a, a_to_a = translate_batches(self.generator_A, real_b, real_a)
        return Translations(a_to_b, b_to_b, b_to_a, a_to_a)

    def discriminator_losses(
        self, real_a: tf.Tensor, real_b: tf.Tensor, fake_a: tf.Tensor, fake_b: tf.Tensor
    ) -> tuple[tf.Tensor, Metrics]:
        """Computes the discriminators' loss and its terms; advances the power iteration of spectral norm.

        Args:
            real_a: real images of A, `[B, H, W, C]` in [-1, 1], as are the others.
            real_b: real images of B.
            fake_a: translations of images of B, without a gradient to their generator.
            fake_b: translations of images of A, without a gradient to their generator.

        Returns:
            The weighted loss, and metrics: the terms of `Objective.of_discriminator` of both discriminators,
            `discriminator/l2`, and the sum of loss and L2 regularization as `d_loss`.
        """
        terms_a = self.objective.of_discriminator(self.discriminator_A, real_a, fake_a, seed=self._seed(0))
        terms_b = self.objective.of_discriminator(self.discriminator_B, real_b, fake_b, seed=self._seed(1))
        return self._sum_terms("discriminator", "d_loss", terms_a, terms_b)

    def generator_losses(
        self, real_a: tf.Tensor, real_b: tf.Tensor, translations: Translations
    ) -> tuple[tf.Tensor, Metrics]:
        """Computes the generators' loss against the present discriminators, and its terms.

        Args:
            real_a: real images of A, `[B, H, W, C]` in [-1, 1].
            real_b: real images of B, `[B, H, W, C]` in [-1, 1].
            translations: the generators' outputs for these images.

        Returns:
            The weighted loss, and metrics: the terms of `Objective.of_generator` of both generators, `generator/l2`,
            and the sum of loss and L2 regularization as `g_loss`. As in the reference, the cycle loss of `generator_A`
            is that from B to A to B.
        """
        a_to_b, b_to_b, b_to_a, a_to_a = translations
        cycle_a = (real_a, self.generator_A(a_to_b.image).image)
        cycle_b = (real_b, self.generator_B(b_to_a.image).image)
        of_generator = self.objective.of_generator
        terms_a = of_generator(self.discriminator_A, real_a, b_to_a, a_to_a, cycle_b, seed=self._seed(0))
        terms_b = of_generator(self.discriminator_B, real_b, a_to_b, b_to_b, cycle_a, seed=self._seed(1))
        return self._sum_terms("generator", "g_loss", terms_a, terms_b)

    def _update_of(self, kind: str) -> Update:
        networks = {name: getattr(self, name).trainable_variables for name in (f"{kind}_A", f"{kind}_B")}
        guarded, scaled = self.config.skip_nonfinite > 0, self.config.precision == "float16"
        return Update(f"{kind}_optimizer", networks, guarded=guarded, scaled=scaled)

    def _sum_terms(self, kind: str, name: str, terms_a: Metrics, terms_b: Metrics) -> tuple[tf.Tensor, Metrics]:
        loss = terms_a["total"] + terms_b["total"]
        terms_a, terms_b, mean_loss = replicas.mean((terms_a, terms_b, loss))
        l2 = losses.l2_regularization(getattr(self, f"{kind}_variables"))
        metrics = {f"{kind}_A/{term}": value for term, value in terms_a.items()}
        metrics |= {f"{kind}_B/{term}": value for term, value in terms_b.items()}
        return loss, metrics | {f"{kind}/l2": l2, name: mean_loss + l2}

    def _seed(self, domain_index: int) -> tf.Tensor:
        """Returns the seed of this step's random numbers, int64 `[2]`."""
        return tf.stack([tf.constant(2 * self.config.seed + domain_index, tf.int64), self.step.value])
