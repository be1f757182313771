"""Every route of the API, in one table."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from lineage.serve.answers import EVENTS, FORMATS, JSON, REPORTS
from lineage.serve.browsing import graph, models, reading
from lineage.serve.endpoints import Answered, Call, Endpoint, Parameter
from lineage.serve.health import alive, measured, ready
from lineage.serve.job_routes import job_events, job_report, job_result, job_state
from lineage.serve.metrics import CONTENT_TYPE
from lineage.serve.questions import question, upload
from lineage.serve.shapes import JOB, MODEL, QUESTIONS
from lineage.serve.tokens import Role
from lineage.serve.uploads import TOKENIZER_NAME

_FORMAT = Parameter(
    "format", {"type": "string", "enum": FORMATS}, "As the endings of `lineage graph -o`.", default="json"
)
_REPORT_FORMAT = Parameter(
    "format",
    {"type": "string", "enum": sorted({one for formats in REPORTS.values() for one in formats})},
    "As the job lists them in `reports`, the first by default. Of whois and compare: a page (html, ko.html), txt or a"
    " format of graphs; about tokenizers txt alone. Of a table csv. Of the others txt, as the command prints it; of an"
    " audit or verify sarif, of decompose yaml for MergeKit.",
)
_WAIT = Parameter(
    "wait",
    {"type": "integer", "minimum": 0, "maximum": 60},
    "Seconds to wait for the answer; a job that takes longer is answered with 202 and goes on.",
    default=20,
)
_JOB = Parameter("job", JOB, "The id of a job.", is_required=True, where="path")
_MODEL = Parameter("model", MODEL, "A model: its id, a unique prefix of it, its name or an alias.", is_required=True)


async def described(_: Call) -> Response:
    """The OpenAPI document."""
    from lineage.serve.openapi import document

    return JSONResponse(document(ENDPOINTS))


_NAME = Parameter(
    "name",
    {"type": "string", "pattern": TOKENIZER_NAME},
    "Of a tokenizer without weights the name of its file (tokenizer.json, vocab.txt, ...); a sketch needs no name.",
)
_ANSWERED: dict[int, tuple[str, Answered]] = {200: (JSON, None), 202: (JSON, "job")}
_QUESTIONS: dict[str, tuple[Role, str]] = {
    "whois": ("ask", "What does this checkpoint descend from?"),
    "compare": ("ask", "What is A to B, component by component?"),
    "decompose": ("ask", "Is it a merge, of what, with which weights?"),
    "audit": ("ask", "Hold a model against a policy."),
    "verify": ("ask", "Check what a card claims against the weights."),
    "table": ("ask", "What do many checkpoints descend from? A row for each."),
    "ingest": ("ingest", "Add models to the index."),
}
_SCHEMAS: dict[str, Answered] = {
    "ingest": "ingests",
    "whois": ("whois", "compare-tokenizers"),
    "compare": ("compare", "compare-tokenizers"),
}
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "POST", "/api/uploads", "ask", "Send a sketch or a tokenizer, to ask about it.", upload,
        {201: (JSON, "upload")}, (_NAME,), takes_octets=True,
    ),
    *(
        Endpoint(
            "POST", f"/api/{kind}", role, summary, question(kind),
            {200: (JSON, _SCHEMAS.get(kind, kind)), 202: (JSON, "job")},
            (_WAIT, _NAME) if kind == "whois" else (_WAIT,), QUESTIONS[kind], kind == "whois",
        )
        for kind, (role, summary) in _QUESTIONS.items()
    ),
    Endpoint("GET", "/api/jobs/{job}", None, "A job as it stands.", job_state, {200: (JSON, "job")}, (_JOB,)),
    Endpoint("GET", "/api/jobs/{job}/result", None, "The answer of a job.", job_result, _ANSWERED, (_JOB,)),
    Endpoint(
        "GET", "/api/jobs/{job}/events", None, "The job at each change, as server-sent events.", job_events,
        {200: (EVENTS, None)}, (_JOB,),
    ),
    Endpoint(
        "GET", "/api/jobs/{job}/report", None, "The answer of a job as a page, as text, as a graph or as SARIF.",
        job_report, {200: ("*/*", None)}, (_JOB, _REPORT_FORMAT),
    ),
    Endpoint(
        "GET", "/api/models", "ask", "The models that a search covers.", models, {200: (JSON, "models")},
        (
            Parameter("search", {"type": "string", "maxLength": 200}, "Part of a name, an alias or an id."),
            Parameter("licence", {"type": "string", "maxLength": 200}, "The licence, as the card says it."),
            Parameter("family", MODEL, "Only relatives of this model."),
            Parameter("offset", {"type": "integer", "minimum": 0, "maximum": 10_000_000}, "Models to skip.", default=0),
            Parameter("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "Models to list.", default=50),
        ),
    ),
    Endpoint(
        "GET", "/api/model", "ask", "All that is known of one model.", reading("show"), {200: (JSON, None)}, (_MODEL,),
    ),
    Endpoint(
        "GET", "/api/trace", "ask", "The ancestry of a model up to its roots.", reading("trace"),
        {200: (JSON, "trace")}, (_MODEL,),
    ),
    Endpoint(
        "GET", "/api/descendants", "ask", "What comes from a model.", reading("descendants"),
        {200: (JSON, "descendants")}, (_MODEL,),
    ),
    Endpoint(
        "GET", "/api/graph", "ask", "Who descends from whom: all models, or one with its neighbours.", graph,
        {200: ("*/*", "graph")},
        (
            Parameter("model", MODEL, "About this model alone."),
            Parameter("family", {"type": "boolean"}, "All its relatives, not only its neighbours.", default=False),
            _FORMAT,
        ),
    ),
    Endpoint("GET", "/api/openapi.json", None, "This description.", described, {200: (JSON, None)}),
    Endpoint("GET", "/healthz", None, "Does the process answer?", alive, {200: (JSON, "health")}),
    Endpoint("GET", "/readyz", None, "Can it take questions?", ready, {200: (JSON, "health")}),
    Endpoint("GET", "/metrics", "administer", "Figures for Prometheus.", measured, {200: (CONTENT_TYPE, None)}),
)  # fmt: skip
