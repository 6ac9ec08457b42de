// A service beside Keyward. Who has the permission may post a job; everybody sees who they are.
import express from 'express';
import { signedIn } from './keyward.js';

const app = express();
const may = (permission) => (request, response, next) =>
  request.auth.permissions?.includes(permission) ? next() : response.status(403).json({ code: 'forbidden' });

app.get('/me', signedIn, (request, response) => response.json({ user_id: request.auth.sub, roles: request.auth.roles }));
app.post('/jobs', signedIn, may('jobs:write'), (request, response) => response.status(201).json({ by: request.auth.sub }));

const listener = app.listen(process.env.PORT ?? 3000, '127.0.0.1', () =>
  console.log(`Listens on http://127.0.0.1:${listener.address().port}`));
