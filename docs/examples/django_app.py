"""Django (ASGI): async views that start, show and decide; deferred updates; procactors' pages beside its own.

Django has no lifespan, so Starlette is put around it: it opens and closes the manager, runs deferred updates
around Django's responses, and mounts the web face. In a project of yours the end of this file is `asgi.py`.
"""

import json
import os
from collections import Counter

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template import engines
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from publishing import PUBLISH
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from procactors import InvalidDataError, NotInterruptedError, ProcessManager, UnknownProcessError
from procactors.deferred import defer
from procactors.web import DeferredMiddleware, process_app

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("SECRET_KEY", "of this example only"),
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
)
pages = get_asgi_application()

manager = ProcessManager(os.environ.get("DATABASE", "sqlite:///publishing.db"))
views = Counter()

PAGE = """<!doctype html><html lang="en"><title>{{ info.key }}</title>
{% if not info.status.is_ended %}<meta http-equiv="refresh" content="2">{% endif %}
<p>{{ info.status }}
{% if info.progress %}: {{ info.progress.done }} of {{ info.progress.total }}{% endif %}</p>
{% if info.interrupt %}
<form method="post">{% csrf_token %}<p>Publish “{{ info.interrupt.data.title }}”?</p>
<button name="approved" value="yes">Yes</button> <button name="approved" value="no">No</button></form>
{% endif %}
{% if info.output %}<p>{{ info.output.url|default:"not published" }}</p>{% endif %}
"""


@csrf_exempt
@require_POST
async def submit(request):
    if request.content_type != "application/json":  # which no other site can make a browser send
        return HttpResponse(status=415)
    article = json.loads(request.body)
    handle = await manager.start(PUBLISH, article, key=f"publish {article['title']}")
    return JsonResponse({"pid": handle.pid}, status=202)


async def look(_request, pid):
    info = await info_of(pid)
    return JsonResponse({"status": info.status, "output": info.output, "views": views[info.pid]})


async def page(request, pid):
    info = await info_of(pid)
    if request.method == "POST":  # of the form, which Django's middleware has checked
        await answer(pid, {"approved": request.POST.get("approved") == "yes"})
        return redirect(request.path)
    defer(views.update, [info.pid])  # after the response
    return HttpResponse(engines["django"].from_string(PAGE).render({"info": info}, request))


@csrf_exempt
@require_POST
async def decide(request, pid):
    if request.content_type != "application/json":
        return HttpResponse(status=415)
    problem = await answer(pid, json.loads(request.body))
    return problem or JsonResponse({"pid": pid}, status=202)


async def answer(pid, decision):
    """Answer a process; return what is wrong with that, if something is."""
    try:
        await manager.proceed(pid, decision)
    except UnknownProcessError as error:
        raise Http404(str(error)) from error
    except NotInterruptedError as error:
        return JsonResponse({"error": str(error)}, status=409)
    except InvalidDataError as error:
        return JsonResponse({"error": str(error)}, status=422)
    return None


async def info_of(pid):
    try:
        return await manager.info(pid)
    except UnknownProcessError as error:
        raise Http404(str(error)) from error


urlpatterns = [
    path("articles", submit),
    path("articles/<pid>", look),
    path("articles/<pid>/page", page),
    path("articles/<pid>/decision", decide),
]


def authorize(request, _action, _pid):
    token = os.environ.get("EDITOR_TOKEN")
    return bool(token) and request.headers.get("authorization") == f"Bearer {token}"


app = Starlette(
    routes=[
        Mount("/processes", process_app(manager, authorize=authorize, processes=[PUBLISH])),
        Mount("/", pages),
    ],
    middleware=[Middleware(DeferredMiddleware, manager=manager)],
    lifespan=manager.lifespan,
)
