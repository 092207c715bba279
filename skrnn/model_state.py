"""All that training changes of a network: put back after an error, pickled, copied."""

from __future__ import annotations

import contextlib
import copy

import numpy as np

from skrnn._keras import keras
from skrnn.compile_arguments import made_anew, without_variables
from skrnn.processes import is_forked_process, refuse_forked_process
from skrnn.variables import copy_of


class StatefulModel(keras.Model):
    """A model whose state can be taken, and given back to it or to a copy.

    A subclass has a `head`, keeps its `compile_arguments` and whether it was
    `trained_natively`, and builds its optimizer when it is compiled.
    """

    def _check_compiled(self):
        if not self.compiled:
            raise ValueError(
                "This network was loaded without what it is trained by: call its "
                "`compile` first."
            )

    def get_state(self) -> list[np.ndarray]:
        """Copies of all that training changes: weights, seeds, optimizer."""
        return [copy_of(one) for one in self._state_variables()]

    def set_state(self, state: list[np.ndarray]) -> None:
        """Go back to what `get_state` returned."""
        for variable, value in zip(self._state_variables(), state, strict=True):
            variable.assign(value)

    @contextlib.contextmanager
    def put_back_on_error(self):
        """Undo what training has done when anything is raised."""
        self._check_compiled()
        flags, state = self._trainable_flags(), self.get_state()
        compiled = {**self.compile_arguments, "optimizer": self.optimizer}
        was_native = self.trained_natively
        step_size = self.optimizer._learning_rate
        # An optimizer takes no number in a schedule's place, so another is made then.
        is_number = isinstance(step_size, keras.Variable)
        spare = without_variables({"optimizer": self.optimizer}) if is_number else {}
        try:
            yield
        except BaseException:
            if compiled["optimizer"]._learning_rate is not step_size:
                if is_number:
                    compiled |= made_anew(spare)
                else:
                    compiled["optimizer"].learning_rate = step_size
            # A callback may have compiled it, too.
            self.compile(**compiled)
            self.trained_natively = was_native
            self.set_trainable_flags(flags)
            self.set_state(state)
            raise

    def renew_optimizer(self) -> None:
        """Take an optimizer like the one there is, which knows of no update yet."""
        was_native = self.trained_natively
        new = made_anew(without_variables({"optimizer": self.optimizer}))
        self.compile(**{**self.compile_arguments, **new})
        self.trained_natively = was_native

    def _trainable_flags(self) -> tuple[bool, ...]:
        """Whether each layer is trained; a user may set that."""
        return tuple(layer.trainable for layer in self._flatten_layers())

    def set_trainable_flags(self, flags: tuple[bool, ...]) -> None:
        """Freeze the layers that another model like this one had frozen."""
        # What is set of a layer is set of those inside it, which come after it.
        for layer, flag in zip(self._flatten_layers(), flags, strict=True):
            layer.trainable = flag

    def _state_variables(self) -> list[keras.Variable]:
        of_optimizer = self.optimizer.variables if self.compiled else ()
        return [*self.variables, *of_optimizer]

    def __reduce__(self):
        if self.head.lora_enabled or self.head.quantization_mode:
            raise TypeError(
                "A network whose head was quantized or given LoRA's weights can be "
                "neither pickled nor copied: do so before."
            )
        arguments = self.compile_arguments
        if arguments is not None:
            arguments = without_variables(arguments)
        flags = self._trainable_flags()
        own = type(self), self.get_config()
        return _rebuild, (*own, arguments, self.get_state(), flags)

    def __deepcopy__(self, memo):
        rebuild, arguments = self.__reduce__()
        return rebuild(*copy.deepcopy(arguments, memo))


class _NotBuilt:
    """A network in a forked process that it was handed to, where none can be built.

    It can be handed on, and says why it does nothing else. An error at once might be
    seen by nobody: `multiprocessing.Pool` loads what it is to call where it catches
    none, and waits.
    """

    def __init__(self, *arguments):
        self._arguments = arguments

    def __reduce__(self):
        return _rebuild, self._arguments

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        refuse_forked_process()


def _rebuild(
    kind, config, compile_arguments, state, trainable_flags
) -> StatefulModel | _NotBuilt:
    if is_forked_process():
        return _NotBuilt(kind, config, compile_arguments, state, trainable_flags)
    model = kind.from_config(config)
    model.build((None, None))
    if compile_arguments is not None:
        model.compile(**made_anew(compile_arguments))
    model.set_state(state)
    model.set_trainable_flags(trainable_flags)
    return model
