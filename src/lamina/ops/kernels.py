"""The table of kernels: which operation is computed in which form on which platform.

Each line names an operation, its default form, and its forms by platform. Which of them a program gets is decided when it is
lowered, for the platform that it is lowered for (`by_platform`); what is called while it is traced is the operation. An operation
of one form is that form.

A kernel is added here: write a function that takes and returns what the default form does, and name it in the line of its
operation under the platform that it is for. It may have derivative rules of its own (`jax.custom_jvp`, `jax.custom_vjp`), as
kernels of Pallas and cuDNN have; without them JAX's are taken. `tests/ops/test_kernels.py` compares all forms that a CPU can run.
"""

import lamina.ops.attention_forms as attention_forms
import lamina.ops.gates as gates
import lamina.ops.lowering as lowering
import lamina.ops.standardization as standardization_forms
import lamina.ops.window_maximum as window_maximum
from lamina.ops.by_platform import Operation

convolution = Operation("convolution", lowering.by_xla, cpu=lowering.by_shape)
max_pooling = Operation("max_pooling", window_maximum.by_windows, cpu=window_maximum.by_axis)
attention = Operation(
    "attention",
    attention_forms.by_xla,
    attention_forms.outputs,
    cpu=attention_forms.in_tiles,
    cuda=attention_forms.by_cudnn,
    rocm=attention_forms.without_cudnn,
    tpu=attention_forms.without_cudnn,
)
lstm_step = Operation("lstm_step", gates.each_by_itself, cpu=gates.by_one_tanh)
standardization = Operation("standardization", standardization_forms.by_sample)
batch_standardization = Operation("batch_standardization", standardization_forms.by_batch)
