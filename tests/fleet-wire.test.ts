/** What passes between the machines of a fleet, as somebody on the way sees it (acceptance 12). */
import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openExecSchema } from '@labmesh/wire/frame/open';
import { uuidv7 } from '@labmesh/wire/ids';
import { CutProxy } from './harness/fleet/cut-proxy.ts';
import { enrolUser } from './harness/fleet/fleet-identities.ts';
import { clientLink, runSession } from './harness/fleet/fleet-sockets.ts';
import { doorOf, HttpsLine } from './harness/raw-https.ts';
import { startAgent, startLabd } from './harness/start-labd.ts';

const keyBody = (pem: string) => pem.split('\n')[1] ?? '';
const typed = `typed-${uuidv7()}`;
const cat = openExecSchema.parse({ kind: 'exec', server: 'web-3', argv: ['cat'], stdin: true });

test('acceptance 12: what passes on the wire holds no secret: enrolment, login, a session', async () => {
  await using labd = await startLabd();
  const tape: Buffer[] = [];
  await using agents = await CutProxy.open(doorOf(labd.agents), tape);
  await using api = await CutProxy.open(doorOf(labd.api), tape);
  const seen = {
    ...labd,
    agents: `https://127.0.0.1:${agents.door.port}`,
    api: `https://127.0.0.1:${api.door.port}`,
  };
  const { token } = await labd.call<{ token: string }>('POST', '/api/tokens', {});
  await using enrolled = await startAgent(seen, 'web-3', { joinToken: token });
  const carol = await enrolUser(seen, 'carol', ['operator']);
  await labd.call('POST', '/api/users/carol/password', { password: 'a long pass phrase' });
  using line = new HttpsLine(doorOf(seen.api));
  const login = { user: 'carol', password: 'a long pass phrase' };
  const { session } = (await line.call('POST', '/api/auth/login', { json: login })).json<{ session: string }>();
  const link = await clientLink(doorOf(seen.api), { identity: carol });
  if (typeof link === 'number') throw new Error(`the upgrade was answered by ${link}`);
  const said = await runSession(link, cat, `${typed}\n`);
  expect(said.out).toContain(typed);
  link.close('goingAway');
  const wire = Buffer.concat(tape);
  expect(wire.length).toBeGreaterThan(10_000);
  const kept = readFileSync(join(enrolled.folder, 'state/identity.pem'), 'utf8');
  const told = { token, session, password: login.password, typed, key: keyBody(carol.keyPem), own: keyBody(kept) };
  expect(Object.entries(told).filter(([, value]) => wire.includes(value))).toEqual([]);
  expect(wire.includes('PRIVATE KEY')).toBe(false);
}, 90_000);
