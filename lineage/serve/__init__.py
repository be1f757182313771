"""The same questions over HTTP: one index for everyone, a page to ask on, tools for agents.

    settings    what the operator allows: folders, limits, who may ask without a token
    tokens      bearer tokens and their roles, kept as digests
    asked       a request's JSON as a question, checked before anything is read
    answering   how a question is answered, by `lineage.api` and `lineage.report`, in a process of its own
    waiting     the queue of those processes
    lanes       those processes, their limits
    jobs        questions that were accepted, on disk: a restart finds them
    endpoints   the table of routes, from which the OpenAPI document is made
    app         all of it as an ASGI application

Starlette and uvicorn are imported here and nowhere else, and only by `lineage serve`.
"""
