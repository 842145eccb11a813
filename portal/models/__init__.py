"""The schema: one module per noun. Fields, indexes and small queries; no rules, no I/O beyond the database."""

from portal.models.accounts import FormToken, Merchant, Session, SignInAttempt, User
from portal.models.audit import AuditLine
from portal.models.database import Table, connect, database
from portal.models.descriptions import ServiceDescription
from portal.models.documents import Document, RunFile
from portal.models.exchanges import Exchange
from portal.models.inventory import (
    FeedState,
    FreshRow,
    InventoryChange,
    InventoryItem,
    ItemPin,
    PlanRow,
    SetAsideRow,
    StagedRow,
    StaleRecord,
    UnknownSku,
)
from portal.models.key_offers import KeyOffer
from portal.models.runs import Run, RunMessage
from portal.models.sources import (
    Circuit,
    Connection,
    Integration,
    LatePeriod,
    MappingVersion,
    OauthGrant,
    OauthRequest,
    SealedSecret,
    Source,
)
from portal.models.webhooks import Webhook, WebhookDelivery, WebhookSeen

TABLES: list[type[Table]] = [
    Merchant, User, Session, SignInAttempt, FormToken, AuditLine,
    Source, Connection, Circuit, SealedSecret, OauthGrant, OauthRequest, KeyOffer, ServiceDescription, Integration, LatePeriod,
    MappingVersion,
    Run, RunMessage, Document, RunFile, Exchange,
    InventoryItem, FreshRow, StagedRow, PlanRow, InventoryChange, SetAsideRow, ItemPin, FeedState, StaleRecord,
    UnknownSku, Webhook, WebhookDelivery, WebhookSeen,
]  # fmt: skip

__all__ = [
    "TABLES", "AuditLine", "Circuit",
    "Connection", "Document", "Exchange", "FeedState", "FormToken", "FreshRow", "Integration", "InventoryChange",
    "InventoryItem", "ItemPin", "KeyOffer", "LatePeriod", "MappingVersion", "Merchant", "OauthGrant", "OauthRequest", "PlanRow",
    "Run", "RunFile", "RunMessage", "SealedSecret", "ServiceDescription",
    "Session", "SetAsideRow", "SignInAttempt", "Source", "StagedRow", "StaleRecord", "Table", "UnknownSku", "User",
    "Webhook", "WebhookDelivery", "WebhookSeen", "connect", "database",
]  # fmt: skip
