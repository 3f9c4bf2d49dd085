"""The page at `/docs`: Swagger UI, served from an installed package, so that a browser needs no other host."""

from importlib.resources import files

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

PATH = "/docs"
# The files lie below the page's own path, so that they need no token either.
FILES_PATH = f"{PATH}/files"


def add_documentation(app: FastAPI) -> None:
    """Serve the page and its files. Create the application without FastAPI's own pages, whose scripts are on a CDN."""
    app.mount(FILES_PATH, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="documentation-files")

    @app.get(PATH, include_in_schema=False)
    async def page(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        return get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=app.title,
            swagger_js_url=f"{root}{FILES_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{FILES_PATH}/swagger-ui.css",
            swagger_favicon_url=f"{root}{FILES_PATH}/favicon.png",
            # None, because by default the page sends the address of its document to a validator on the internet.
            swagger_ui_parameters={"validatorUrl": None},
        )
