from ._block import BLOCK
from ._spelling import ADDRESS, PATH, PROGRAM, URL
from .addresses import Doorman, Endpoint, system_resolver
from .filesystem import Filesystem
from .folder import Folder, FolderLimits
from .http import Http, HttpClient
from .policy import NetworkPolicy, OslPolicy, ProcessPolicy, folders_below
from .process import Processes
from .provider import provide
from .tcp import Tcp
from .udp import Udp
from .wasi_filesystem import WasiFilesystem
from .wasi_http import WasiHttp

__all__ = (
    "URL",
    "PROGRAM",
    "PATH",
    "ADDRESS",
    "BLOCK",
    "Doorman",
    "Endpoint",
    "Filesystem",
    "Folder",
    "FolderLimits",
    "Http",
    "HttpClient",
    "NetworkPolicy",
    "OslPolicy",
    "ProcessPolicy",
    "Processes",
    "Tcp",
    "Udp",
    "WasiFilesystem",
    "WasiHttp",
    "folders_below",
    "provide",
    "system_resolver",
)
