from ._addresses import Doorman, Endpoint, system_resolver
from ._block import BLOCK
from ._filesystem import Filesystem
from ._folder import Folder, FolderLimits
from ._http import Http, HttpClient
from ._network_spelling import ADDRESS, URL
from ._policy import NetworkPolicy, OslPolicy, ProcessPolicy, folders_below
from ._process import Processes
from ._provider import provide
from ._spelling import PATH, PROGRAM
from ._tcp import Tcp
from ._udp import Udp
from ._wasi_filesystem import WasiFilesystem
from ._wasi_http import WasiHttp

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
