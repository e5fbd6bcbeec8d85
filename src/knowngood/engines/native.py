"""Native libraries in a Python process: silent towards the network, and done before the interpreter ends."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock, current_thread, main_thread
from typing import Any, TypeVar

from knowngood.errors import InspectorError

_importing = Lock()
_gate = Condition()
_threads, _ending = 0, False
_process = 0  # the first one in which native code has run

_NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"

T = TypeVar("T")


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry.

    The telemetry would look up a host, write an identifier into the home folder, and fail without one.
    OpenVINO has a stub for machines without that package, which is what it finds here.

    Example:
        >>> import_openvino().__name__
        'openvino'
    """
    with _importing:
        if not {"openvino", "openvino_telemetry"} & sys.modules.keys():
            sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # an import of it now fails
            try:
                import openvino
            finally:
                del sys.modules["openvino_telemetry"]
        import openvino
    return openvino


def import_onnxruntime() -> Any:
    """Import ONNX Runtime without its telemetry, which versions from 1.29 have.

    It would write an identifier into the cache folder and send to a host what each graph is made of. It reads
    an environment variable that forbids this, once, while it is imported.

    Example:
        >>> import_onnxruntime().__name__
        'onnxruntime'
    """
    with _importing:
        if "onnxruntime" not in sys.modules and _NO_TELEMETRY not in os.environ:
            os.environ[_NO_TELEMETRY] = "1"
            try:
                import onnxruntime
            finally:
                del os.environ[_NO_TELEMETRY]
        import onnxruntime
    return onnxruntime


def check_process() -> None:
    """Refuse a process that was forked from one in which native code has run.

    The threads of an engine do not live on in it: OpenVINO and ONNX Runtime wait for them for ever, or abort
    the process at its end, and compiling anew does not help.

    Raises:
        InspectorError: It is such a process.
    """
    global _process
    _process = _process or os.getpid()
    if _process != os.getpid():
        raise InspectorError(
            "this process was forked from one in which an inspector has run, whose threads it lacks; start "
            "processes by 'spawn' (an inspector can be sent to them), or inspect in the forked ones alone"
        )


def finishing(items: Iterable[T]) -> Iterator[T]:
    """Give items that native code makes; while it makes one, the interpreter does not end.

    Python stops daemon threads when it ends. One that is stopped inside of C++ code aborts the process, so
    the end waits for an item that has been begun, and none is begun after it.

    Example:
        >>> list(finishing(range(3)))
        [0, 1, 2]
    """
    iterator = iter(items)
    while True:
        with _inside():
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item


@contextmanager
def _inside() -> Iterator[None]:
    """Count a thread as long as it is in native code."""
    global _threads
    with _gate:
        # For ever, once the interpreter ends, but for the thread that ends it.
        _gate.wait_for(lambda: not _ending or current_thread() is main_thread())
        _threads += 1
    try:
        yield
    finally:
        with _gate:
            _threads -= 1
            _gate.notify_all()


@atexit.register
def _close() -> None:
    """Let no other thread into native code, and wait until those inside have come out."""
    global _ending
    with _gate:
        _ending = True
        _gate.wait_for(lambda: not _threads)


def _forget() -> None:
    """Start anew in a forked process, in which those that were inside do not live on."""
    global _gate, _threads
    _gate, _threads = Condition(), 0


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)
