"""Makes ``twistd shifter`` known. twistd caches what it finds here, so neither this file nor its name ever changes."""

from twisted.application.service import ServiceMaker

shifter = ServiceMaker("shifter", "shifter.tap", "A reverse proxy for incremental releases.", "shifter")
