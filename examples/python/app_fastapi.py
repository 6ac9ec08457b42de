"""A FastAPI service beside Keyward: `uvicorn app_fastapi:app`."""
from typing import Annotated
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
import keyward

app = FastAPI()

# Not async: verifying may fetch, and FastAPI runs it beside the event loop.
def signed_in(request: Request) -> dict:
    return keyward.authenticate(request.headers.get("authorization"))

Session = Annotated[dict, Depends(signed_in)]

@app.exception_handler(keyward.Refused)
def refuse(_: Request, refused: keyward.Refused):
    return JSONResponse(refused.body, refused.status, refused.headers, "application/problem+json")

@app.get("/me")
def me(session: Session):
    return {"user_id": session["sub"], "roles": session.get("roles")}

@app.post("/jobs", status_code=201)
def post_job(session: Session):
    if "jobs:write" not in session.get("permissions", []):
        raise HTTPException(403, "forbidden")
    return {"by": session["sub"]}
