"""A Django service beside Keyward: `python app_django.py runserver --noreload`, or any WSGI server with `application`."""
import os, sys
from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
import keyward

class SignedIn:
    """Middleware: `request.auth` are the claims of a good access token; nothing else comes through."""
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        try:
            request.auth = keyward.authenticate(request.headers.get("Authorization"))
        except keyward.Refused as refused:
            kind = "application/problem+json"
            return JsonResponse(refused.body, status=refused.status, headers=refused.headers, content_type=kind)
        return self.get_response(request)

def me(request):
    return JsonResponse({"user_id": request.auth["sub"], "roles": request.auth.get("roles")})

def jobs(request):
    if "jobs:write" not in request.auth.get("permissions", []):
        return JsonResponse({"code": "forbidden"}, status=403)
    return JsonResponse({"by": request.auth["sub"]}, status=201)

urlpatterns = [path("me", me), path("jobs", jobs)]
settings.configure(
    SECRET_KEY=os.urandom(32).hex(), ALLOWED_HOSTS=["127.0.0.1", "localhost"], ROOT_URLCONF=__name__,
    MIDDLEWARE=[f"{__name__}.SignedIn"],
)
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
