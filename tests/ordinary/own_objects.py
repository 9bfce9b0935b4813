"""Small nets compiled with what is one's own: losses, metrics, optimizers."""

import keras
from keras import ops

from ordinary.cases import arrays, batches, classes, ordinary
from ordinary.own_code import compiled, net


def focal(y_true, y_pred):
    """A loss that is a function."""
    right = ops.sum(ops.one_hot(ops.cast(y_true, "int32"), 3) * y_pred, -1)
    return -ops.square(1 - right) * ops.log(right + 1e-7)


def share_right(y_true, y_pred):
    """A metric that is a function."""
    found = ops.cast(ops.argmax(y_pred, -1), y_true.dtype)
    return ops.cast(ops.equal(ops.reshape(y_true, (-1,)), found), "float32")


@ordinary(own=[focal, share_right], is_fast=True)
def functions_as_loss_and_metric():
    model = compiled(net(), focal, metrics=[share_right])
    monitor = {"monitor": "share_right", "mode": "max"}
    return arrays(model, *classes(), monitor=monitor)


class Margin(keras.losses.Loss):
    """A loss that is a class, with a setting that its config has not."""

    def __init__(self, margin=1.0, name="margin"):
        super().__init__(name=name)
        self.margin = margin

    def call(self, y_true, y_pred):
        side = 2 * ops.cast(y_true, y_pred.dtype) - 1
        return ops.relu(self.margin - side * y_pred)


class FScore(keras.metrics.Metric):
    """Has state, and is neither a mean nor a sum."""

    def __init__(self, threshold=0.0, name="f_score", **kwargs):
        super().__init__(name=name, **kwargs)
        self.threshold = threshold
        self.right = self.add_weight(name="right", initializer="zeros")
        self.all = self.add_weight(name="all", initializer="zeros")

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}

    def update_state(self, y_true, y_pred, sample_weight=None):
        found = ops.cast(y_pred > self.threshold, self.dtype)
        y_true = ops.cast(y_true, self.dtype)
        self.right.assign_add(ops.sum(2 * found * y_true))
        self.all.assign_add(ops.sum(found + y_true))

    def result(self):
        return self.right / (self.all + 1e-7)


@ordinary(
    own=[Margin, FScore],
    refuses=dict.fromkeys(("save", "load elsewhere"), "Mend its `get_config`"),
)
def classes_as_loss_and_metric():
    x, y = classes(n=2)
    model = compiled(net(1, None), Margin(0.5), metrics=[FScore(0.1)])
    monitor = {"monitor": "f_score", "mode": "max"}
    return arrays(model, x, y[:, None], monitor=monitor)


def pinball(quantile):
    """Makes a loss."""

    def loss(y_true, y_pred):
        error = y_true - y_pred
        return ops.mean(ops.maximum(quantile * error, (quantile - 1) * error), -1)

    return loss


pinball_90 = pinball(0.9)


@ordinary(
    own=[pinball_90],
    refuses=dict.fromkeys(("save", "load elsewhere"), "The file holds Python code"),
)
def closure_as_loss():
    x, _ = classes()
    covered = keras.metrics.MeanMetricWrapper(
        lambda y_true, y_pred: ops.cast(y_true <= y_pred, "float32"), name="covered"
    )
    metrics = ["mae", covered]
    model = compiled(net(1, None), pinball_90, metrics=metrics)
    return arrays(model, x, x[:, :1], monitor={"monitor": "mae"})


class Warm(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule without a config."""

    def __init__(self, rate, n_steps):
        self.rate, self.n_steps = rate, n_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        return self.rate * ops.minimum(1.0, (step + 1) / self.n_steps)


@ordinary(
    own=[Warm],
    refuses=dict.fromkeys(("save", "load elsewhere"), "Give the class a `get_config`"),
)
def own_schedule():
    model = compiled(net(), optimizer=keras.optimizers.Adam(Warm(1e-2, 5)))
    return arrays(model, *classes())


class Lookahead(keras.optimizers.Optimizer):
    """Goes some steps by another optimizer, and then half of the way back."""

    def __init__(self, optimizer, period=3, name="lookahead", **kwargs):
        super().__init__(float(optimizer.learning_rate), name=name, **kwargs)
        self.fast, self.period = optimizer, period

    def build(self, variables):
        super().build(variables)
        self.fast.build(variables)
        self.slow = [
            self.add_variable_from_reference(v, "slow", initializer="zeros")
            for v in variables
        ]

    def apply(self, grads, trainable_variables=None):
        if not self.built:
            self.build(trainable_variables)
        variables = trainable_variables or self._trainable_variables
        self.fast.apply(grads, variables)
        self.assign_add(self.iterations, ops.ones((), self.iterations.dtype))
        is_due = ops.equal(self.iterations % self.period, 0)
        for variable, slow in zip(variables, self.slow, strict=True):
            middle = ops.where(is_due, (variable + slow) / 2, variable)
            self.assign(variable, middle)
            self.assign(slow, ops.where(is_due, middle, slow))
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        return self.iterations


@ordinary(
    own=[Lookahead],
    refuses=dict.fromkeys(("save", "load elsewhere"), "out with `compile=False`"),
    backends=("tensorflow", "torch"),
)
def optimizer_around_another():
    optimizer = Lookahead(keras.optimizers.SGD(0.05, momentum=0.9))
    return arrays(compiled(net(), optimizer=optimizer), *classes())


class Signs(keras.optimizers.SGD):
    """Steps by the sign of the gradient."""

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(ops.sign(gradient), variable, learning_rate)


@ordinary(own=[Signs])
def own_optimizer():
    return arrays(compiled(net(), optimizer=Signs(1e-3)), *classes())


@ordinary()
def scaled_loss():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-3))
    return arrays(compiled(net(), optimizer=optimizer), *classes())


@ordinary()
def accumulated_gradients():
    optimizer = keras.optimizers.Adam(1e-3, gradient_accumulation_steps=2)
    return batches(compiled(net(), optimizer=optimizer), *classes())


@ordinary()
def averaged_weights():
    optimizer = keras.optimizers.SGD(
        0.1, momentum=0.9, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3
    )
    return arrays(compiled(net(), optimizer=optimizer, jit_compile=False), *classes())
