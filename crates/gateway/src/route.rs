//! From a request to who answers it.

use crate::{
    account, archive, bulk,
    call::Call,
    caller::Caller,
    cdn, container, cors, domain, formpost,
    front::Front,
    gateway::Gateway,
    info, keystone, object,
    path::Target,
    payload::Payload,
    query::Query,
    ratelimit,
    refusal::{Outcome, Refusal},
    server::Face,
    staticweb, tempauth, tempurl,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use transport::{Body, full_body};

/// Answers a request.
pub async fn answer(
    gateway: &Gateway,
    front: &Front,
    face: Face,
    request: Request<Incoming>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let expected = parts.headers.contains_key(header::EXPECT);
    let mut payload = Some(Payload::new(body, gateway.config.idle_timeout, expected));
    let outcome = match face {
        Face::Swift => dispatch(gateway, front, &parts, &mut payload).await,
        Face::Cdn => Box::pin(cdn::answer(gateway, front, &parts, &mut payload)).await,
    };
    if let Some(payload) = payload {
        payload.ignore().await;
    }
    outcome.unwrap_or_else(Refusal::into_response)
}

async fn dispatch(
    gateway: &Gateway,
    front: &Front,
    parts: &http::request::Parts,
    payload: &mut Option<Payload>,
) -> Outcome {
    // Clients put names of containers there that are not ASCII.
    let host = parts.headers.get(header::HOST);
    let host = host.and_then(|host| std::str::from_utf8(host.as_bytes()).ok());
    let domains = &gateway.config.storage_domains;
    let path = parts.uri.path();
    let remapped = domain::remapped(domains, host.unwrap_or_default(), path)?;
    let path = remapped.as_deref().unwrap_or(path);
    let (method, headers) = (&parts.method, &parts.headers);
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match path {
        "/healthcheck" if reads => {
            let mut response = Response::new(full_body("OK"));
            let kind = HeaderValue::from_static("text/plain");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            return Ok(response);
        }
        "/info" if reads => return info::answer(gateway).await,
        "/info" if *method == Method::OPTIONS => {
            let mut response = container::empty(StatusCode::OK);
            let allowed = HeaderValue::from_static("HEAD, GET, OPTIONS");
            response.headers_mut().insert(header::ALLOW, allowed);
            return Ok(response);
        }
        "/info" => return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED)),
        _ => {}
    }
    if keystone::has(path) {
        return keystone::answer(gateway, front, parts, payload.as_mut()).await;
    }
    if let Some(rest) = below(path, "/auth") {
        return tempauth::answer(gateway, method, rest, headers, &front.base).await;
    }
    let Some(rest) = below(path, "/v1").or_else(|| below(path, "/v1.0")) else {
        return Err(Refusal::not_found());
    };
    if rest.is_empty() || rest == "/" {
        return Err(Refusal::says(StatusCode::PRECONDITION_FAILED, "Bad URL"));
    }
    let target = Target::parse(rest.trim_start_matches('/'))?;
    let known = ["GET", "HEAD", "PUT", "POST", "DELETE", "COPY", "OPTIONS"];
    if !known.contains(&method.as_str()) {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED));
    }
    if *method == Method::OPTIONS {
        return cors::options(gateway, &target, headers).await;
    }
    let outcome = Box::pin(of_target(gateway, front, parts, target.clone(), payload)).await;
    let mut response = outcome.unwrap_or_else(Refusal::into_response);
    cors::allow(gateway, &target, headers, response.headers_mut()).await;
    Ok(response)
}

/// Answers a request to an account, a container or an object.
async fn of_target(
    gateway: &Gateway,
    front: &Front,
    parts: &http::request::Parts,
    target: Target,
    payload: &mut Option<Payload>,
) -> Outcome {
    let (method, headers) = (&parts.method, &parts.headers);
    let mut query = Query::parse(parts.uri.query().unwrap_or_default())?;
    let form = formpost::boundary(method, headers);
    let signed = match form {
        Some(_) => None,
        None => tempurl::check(gateway, method, headers, &target, &query, front.remote).await?,
    };
    let mut headers = headers.clone();
    let caller = match &signed {
        Some(url) => {
            // What is not signed is not asked.
            query = Query::default();
            for name in tempurl::INCOMING_REMOVED {
                headers.remove(name);
            }
            Caller::Signed(url.grant.clone())
        }
        None if form.is_some() => Caller::Anonymous,
        None => match gateway.known_user(&headers).await? {
            Some(user) => Caller::User(user),
            None => Caller::Anonymous,
        },
    };
    let call = Call {
        gateway: gateway.clone(),
        method: method.clone(),
        target,
        path: parts.uri.path().to_owned(),
        query,
        headers,
        body: payload.take().unwrap_or_else(Payload::none),
        caller,
        base: front.base.clone(),
        remote: front.remote,
        transaction: front.transaction.clone(),
    };
    ratelimit::wait(&call).await?;
    if let Some(boundary) = form {
        return formpost::answer(call, &boundary).await;
    }
    let Some(url) = signed else {
        return match staticweb::applies(&call) {
            true => Box::pin(staticweb::answer(call)).await,
            false => answer_call(call).await,
        };
    };
    let path = call.plain_path();
    let mut response = answer_call(call).await?;
    let status = response.status();
    url.dress(status, response.headers_mut(), &path);
    Ok(response)
}

/// Does what a call asks.
pub async fn answer_call(call: Call) -> Outcome {
    let bulk = match call.method {
        Method::POST | Method::DELETE => call.query.has("bulk-delete"),
        Method::PUT => call.query.has("extract-archive"),
        _ => false,
    };
    if bulk {
        return match (&call.caller, &call.method) {
            // What is signed is one path, and not the query that would make many of it.
            (Caller::Signed(_), _) => Err(call.denied(&call.target.account)),
            (_, &Method::PUT) => archive::extract(call).await,
            _ => bulk::delete(call).await,
        };
    }
    match (&call.target.container, &call.target.object) {
        (_, Some(_)) => object::answer(call).await,
        (Some(_), None) => container::answer(call).await,
        (None, None) => account::answer(call).await,
    }
}

/// What stands in a path below a part of it.
fn below<'a>(path: &'a str, part: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(part)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}
