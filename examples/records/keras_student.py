"""The net of Keras' MNIST example, its student, and both of them compressed.

Run it with:

    python examples/records/keras_student.py --stages DIR

which takes about half an hour on one core; with `--stages`, a run that was cut goes on
where it was. The student has 6 hidden units in place of 128, and learns from the
teacher through `keras.distillation`. Deep Compression takes the same teacher further.
"""

from dataclasses import replace

import keras
from record import Level, Recipe, Run, arguments, moved

import deepcompress as dc

# What the original report measured: accuracy, seconds; and the student's loss.
REPORTED = {"teacher": (0.9914, 38.55), "student": (0.9529, 83.77)}
REPORTED_LOSS = 0.02827

TEACHER = Recipe(
    build=dc.models.mnist_cnn,
    dense_epochs=12,
    filters={"conv1": 0.5, "conv2": 0.5},
    filter_epochs=2,
    levels=(Level(12_000, 4), Level(6_000, 7, is_point=True)),
    sharing_epochs=2,
    batch_size=128,
    rate=2e-3,
    sharing_rate=2e-4,
    batches=moved,
)
STUDENT = replace(
    TEACHER,
    build=dc.models.mnist_student,
    filters=None,
    levels=(Level(8_000, 4), Level(3_000, 6, is_point=True)),
    rate=1e-3,
    sharing_rate=1e-4,
)


def main() -> None:
    options = arguments(__doc__.splitlines()[0]).parse_args()
    digits = dc.models.load_digits()
    if options.fast:
        few = tuple(array[:2000] for array in digits.train)
        digits = replace(digits, train=few)

    teaching = Run(TEACHER, digits, options, "keras_teacher")
    teacher = teaching.dense()
    learning = Run(STUDENT, digits, options, "keras_student")
    student = learning.dense(teacher)

    print(f"{'':<8}{'parameters':>11}{'accuracy':>10}{'loss':>9}{'seconds':>9}")
    for what, model, run in (
        ("teacher", teacher, teaching),
        ("student", student, learning),
    ):
        model.compile(
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        loss, accuracy = model.evaluate(*digits.test, batch_size=1000, verbose=0)
        print(
            f"{what:<8}{model.count_params():>11,}{accuracy:>10.4f}{loss:>9.4f}"
            f"{run.seconds['dense']:>9.0f}   the report's: {REPORTED[what][0]:.4f}, "
            f"{REPORTED[what][1]} s",
            flush=True,
        )
    print(f"the report's loss of the student: {REPORTED_LOSS}")

    teaching.report(teacher, teaching.compress(teacher))
    learning.report(student, learning.compress(student, teacher))


if __name__ == "__main__":
    main()
