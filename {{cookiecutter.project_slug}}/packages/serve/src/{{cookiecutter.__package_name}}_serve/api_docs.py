"""The documentation page of the service, from installed files, so that it needs no other server."""

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.staticfiles import StaticFiles

POLICY = (
    "default-src 'none'; connect-src 'self'; frame-ancestors 'none'; img-src 'self' data:; "
    "script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"
)


def add_docs(app: FastAPI) -> None:
    """Serve Swagger UI at /docs, with relative addresses, so that a proxy may mount the service under a path."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=app.title,
        swagger_js_url="docs/assets/swagger-ui-bundle.js",
        swagger_css_url="docs/assets/swagger-ui.css",
        swagger_favicon_url="docs/assets/favicon-32x32.png",
    )
    page.headers.update({"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"})

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return page

    assets = StaticFiles(directory=Path(str(files("fastapi_swagger") / "resources")))
    app.mount("/docs/assets", assets, name="docs")
