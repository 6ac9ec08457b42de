-- Asks Keyward whether a request may pass (GET /api/auth/verify), for HAProxy 2.6 or later.
--
-- Only 200 lets it pass, with txn.keyward_passes set; anything else is told to the client as Keyward
-- said it: 302 to a page that is opened, 401 or 403 as JSON with the mark X-Keyward-Error to a script.
-- No answer is 503.

local keyward = assert(os.getenv("KEYWARD_ADDRESS"), "KEYWARD_ADDRESS says where Keyward is")

-- How long Keyward may take, in milliseconds. HAProxy's client tries four times, each that long.
local PATIENCE = 2000

-- Who it is: each is set from the answer, be it to nothing.
local IDENTITY = {
    "x-auth-user-id", "x-auth-session-id", "x-auth-email", "x-auth-email-verified",
    "x-auth-phone-number", "x-auth-roles", "x-auth-permissions", "x-auth-assertion",
}

-- What Keyward judges by. The body is none of it.
local ASKED = {
    "cookie", "authorization", "origin", "accept", "user-agent", "upgrade", "host",
    "sec-fetch-site", "sec-fetch-mode", "sec-fetch-user", "sec-fetch-dest", "sec-websocket-key",
    "traceparent", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id",
}

-- What of a refusal the client is told.
local TOLD = {
    "content-type", "location", "www-authenticate", "x-keyward-error", "x-request-id",
    "retry-after", "cache-control", "access-control-allow-origin",
    "access-control-allow-credentials", "access-control-expose-headers", "vary",
}

local OURS = {
    ["keyward_access"] = true, ["keyward_refresh"] = true, ["keyward_hint"] = true,
    ["__Host-keyward_access"] = true, ["__Secure-keyward_refresh"] = true, ["__Host-keyward_hint"] = true,
}

-- The lines of a header, in order. HAProxy counts them from 0.
local function lines(headers, name)
    local all = {}
    if headers[name] then
        local at = 0
        while headers[name][at] do
            all[#all + 1] = headers[name][at]
            at = at + 1
        end
    end
    return all
end

local function question(txn, headers)
    local asked = {}
    for _, name in ipairs(ASKED) do
        local all = lines(headers, name)
        if #all > 0 then asked[name] = all end
    end
    asked["x-forwarded-method"] = { txn.sf:method() }
    asked["x-forwarded-uri"] = { txn.sf:pathq() }
    return asked
end

-- Takes Keyward's cookies out, and a bearer token.
local function withhold_tokens(txn, headers)
    local rest = {}
    for _, line in ipairs(lines(headers, "cookie")) do
        for pair in line:gmatch("[^;]+") do
            local name = pair:match("^%s*(.-)%s*=")
            if not (name and OURS[name]) then rest[#rest + 1] = pair:match("^%s*(.-)%s*$") end
        end
    end
    txn.http:req_del_header("cookie")
    if #rest > 0 then txn.http:req_add_header("cookie", table.concat(rest, "; ")) end

    local others = {}
    for _, line in ipairs(lines(headers, "authorization")) do
        if not line:lower():match("^%s*bearer") then others[#others + 1] = line end
    end
    txn.http:req_del_header("authorization")
    for _, line in ipairs(others) do txn.http:req_add_header("authorization", line) end
end

local function answer(txn, status, headers, body)
    local reply = txn:reply({ status = status })
    for _, name in ipairs(TOLD) do
        for _, line in ipairs(lines(headers, name)) do reply:add_header(name, line) end
    end
    reply:set_body(body)
    txn:done(reply)
end

core.register_action("keyward", { "http-req" }, function(txn)
    local headers = txn.http:req_get_headers()
    local demand = txn:get_var("txn.keyward_demand") or ""
    local said = core.httpclient():get({
        url = "http://" .. keyward .. "/api/auth/verify?redirect=1&" .. demand,
        headers = question(txn, headers),
        timeout = PATIENCE,
    })
    if said and said.status == 200 then
        for _, name in ipairs(IDENTITY) do
            txn.http:req_set_header(name, lines(said.headers, name)[1] or "")
        end
        withhold_tokens(txn, headers)
        txn:set_var("txn.keyward_passes", true)
    elseif said and said.status >= 300 and said.status < 500 then
        answer(txn, said.status, said.headers, said.body or "")
    else
        answer(txn, 503, {}, "Whether you may is not known at the moment.\n")
    end
end, 0)
