"""Run a command on a processor with AMX as on one without, under Linux.

    python benchmarks/without_amx.py python benchmarks/training_step.py

Linux lets a process use AMX's tiles only after it has asked. A filter refuses that to
the command and to all it starts, as a container may; so neither skrnn's kernel nor
TensorFlow multiplies by them. Everything else stays as it is on that processor.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

# From linux/prctl.h, linux/seccomp.h, linux/bpf_common.h and asm/prctl.h.
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 38, 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM = 158, 0x1023

# Where the number of a system call stands, and the lower half of its first argument.
NUMBER, FIRST_ARGUMENT = 0, 16

# The operation, how many to leave out where it is true and where it is not, a number.
FILTER = [
    (LOAD_WORD, 0, 0, NUMBER),
    (JUMP_IF_EQUAL, 0, 3, SYS_ARCH_PRCTL),
    (LOAD_WORD, 0, 0, FIRST_ARGUMENT),
    (JUMP_IF_EQUAL, 0, 1, ARCH_REQ_XCOMP_PERM),
    (RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM),
    (RETURN, 0, 0, SECCOMP_RET_ALLOW),
]


def refuse_tiles():
    """Let this process and all it starts ask for AMX's tiles in vain."""
    operations = b"".join(struct.pack("=HBBI", *one) for one in FILTER)
    held = ctypes.create_string_buffer(operations)
    program = struct.pack("@HP", len(FILTER), ctypes.addressof(held))
    library = ctypes.CDLL(None, use_errno=True)
    for call in [
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program),
    ]:
        if library.prctl(*call):
            number = ctypes.get_errno()
            raise OSError(number, f"no filter was set: {os.strerror(number)}")


def main():
    """Replace this process by the command."""
    command = sys.argv[1:]
    if not command:
        sys.exit(f"{__doc__.splitlines()[0]} A command is missing.")
    if sys.platform != "linux" or platform.machine() != "x86_64":
        sys.exit("AMX is refused by a filter of Linux on x86-64, and this is not that.")
    refuse_tiles()
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
