"""What the process gives up once its packet socket is open, for good: capabilities, root, and getting any of it back.

capabilities(7), prctl(2), capset(2). They belong to a thread, and threads inherit them: to be called before any other
thread is started. The standard library has neither call, so ctypes is loaded, here alone and for a live capture alone:
half a MiB.
"""

import logging
import os
from collections.abc import Iterable
from typing import Final

from grapevine.model.errors import PermanentInputError

_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_LINUX_CAPABILITY_VERSION_3: Final = 0x20080522
_MAX_CAPABILITIES: Final = 64

_log = logging.getLogger(__name__)


def drop_privileges(user: int, needed: Iterable[str]) -> None:
    """Become `user` where the process is root, then give up every capability and the way back to any (no_new_privs).

    `user` is user and group, 0 to stay root. Root stays root, without a capability, where the platform does not let it
    change, and where `user` could not read the files `needed` from now on, or our own modules, some of which are loaded
    later; the log says so. The bounding set is emptied where the process may.

    Raises:
        PermanentInputError: the kernel refuses to take the capabilities.
    """
    from ctypes import CDLL, c_uint32, get_errno

    libc = CDLL(None, use_errno=True)
    for capability in range(_MAX_CAPABILITIES):
        # Refused without CAP_SETPCAP, and beyond the last one the kernel has. no_new_privs then does the same
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    if user and os.geteuid() == 0:
        _become(user, [__file__, os.__file__, *needed])
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    nothing = (c_uint32 * 6)()  # effective, permitted, inheritable, for capabilities 0 to 31 and then 32 to 63
    if libc.capset(header, nothing) or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise PermanentInputError(
            f"cannot give up capabilities ({os.strerror(get_errno())}): run capture where capset and prctl are allowed"
        )


def _become(user: int, needed: Iterable[str]) -> None:
    groups = os.getgroups()
    try:
        os.setgroups([])
        os.setegid(user)
        os.seteuid(user)
    except OSError as e:  # no CAP_SETUID, or a user namespace that does not know such a user
        _log.warning("staying root, without capabilities", extra={"user": user, "reason": e.strerror})
        return
    unreadable = [path for path in needed if not os.access(path, os.R_OK, effective_ids=True)]
    os.seteuid(0)
    os.setegid(0)
    if unreadable:
        os.setgroups(groups)
        _log.warning(
            "staying root, without capabilities: whom to become cannot read what is needed",
            extra={"user": user, "files": unreadable},
        )
        return
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
