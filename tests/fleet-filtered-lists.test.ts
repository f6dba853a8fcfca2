/** AP-3, RB-5: lists show what a rule allows, thing by thing, and a deny on a name takes that name out of them. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Identity, enrolMachine, enrolUser } from './harness/fleet/fleet-identities.ts';
import { machineLink } from './harness/fleet/fleet-sockets.ts';
import { waitFor } from './harness/fleet/look.ts';
import { doorOf, HttpsLine } from './harness/raw-https.ts';
import { type RunningLabd, startLabd } from './harness/start-labd.ts';

type Page = { items: Record<string, unknown>[]; nextCursor: string | null };

let labd: RunningLabd;
const people: Record<string, Identity> = {};

const kinds = ['bastions', 'machines', 'certificates', 'bindings', 'permissions'];
/** Which field of an item is judged. */
const judged: Record<string, string> = {
  bastions: 'name',
  machines: 'hostname',
  certificates: 'name',
  bindings: 'subject',
  permissions: 'role',
};

/** Machines of one bastion, each with its name. */
async function report(bastion: Identity, hostnames: readonly string[]): Promise<void> {
  const link = await machineLink(doorOf(labd.agents), 'bastion', { identity: bastion });
  if (typeof link === 'number') throw new Error(`the agents' door answered ${link}`);
  for (const [at, hostname] of hostnames.entries()) {
    const mac = `02:00:00:00:00:0${at}`;
    const step = { actionId: `a${at}`, mac, attempt: 1, stage: 'partition', status: 'ok', hostname } as const;
    link.sendMsg({ kind: 'bastion-progress', ...step });
  }
  const known = async () => (await labd.call<Page>('GET', '/api/machines')).items.length === hostnames.length;
  await waitFor(known, 20_000);
  link.close('goingAway');
}

beforeAll(async () => {
  labd = await startLabd();
  const rules = (on: string) => kinds.map((kind) => `allow list on ${kind}/${on}`);
  const roles = {
    'all-but-secret': [...rules('*'), ...kinds.map((kind) => `deny list on ${kind}/secret-*`)],
    'rack-1': rules('rack1-*'),
    'secret-holder': ['allow get on servers'],
    'rack1-holder': ['allow get on servers'],
    cutter: [
      'allow list, delete on bindings/*',
      'allow list, revoke on certificates/*',
      'deny delete on bindings/secret-*',
      'deny revoke on certificates/secret-*',
    ],
  };
  for (const [name, own] of Object.entries(roles)) await labd.call('POST', '/api/roles', { name, rules: own });
  await labd.call('POST', '/api/roles', { name: 'secret-role', rules: ['allow get on servers/x'] });
  people['wide'] = await enrolUser(labd, 'wide', ['all-but-secret']);
  people['narrow'] = await enrolUser(labd, 'narrow', ['rack-1']);
  people['cutter'] = await enrolUser(labd, 'cutter', ['cutter']);
  people['secret-user'] = await enrolUser(labd, 'secret-user', ['secret-holder']);
  await enrolUser(labd, 'rack1-user', ['rack1-holder']);
  const bastion = await enrolMachine(labd, 'bastion', 'rack1-b');
  await enrolMachine(labd, 'bastion', 'secret-b');
  await report(bastion, ['rack1-m1', 'rack1-m2', 'secret-m', 'web-m']);
}, 60_000);
afterAll(() => labd?.[Symbol.asyncDispose]());

async function ask(who: string, method: string, path: string, json?: unknown) {
  using line = new HttpsLine(doorOf(labd.api), people[who]);
  return await line.call(method, path, json === undefined ? {} : { json });
}

/** All pages of a list, three items each. */
async function namesFor(who: string, kind: string): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | null = null;
  do {
    const more: string = cursor === null ? '' : `&cursor=${cursor}`;
    const answer = await ask(who, 'GET', `/api/${kind}?limit=3${more}`);
    expect(answer.status).toBe(200);
    const page: Page = answer.json<Page>();
    names.push(...page.items.map((item) => String(item[judged[kind] ?? 'name'])));
    cursor = page.nextCursor;
  } while (cursor !== null);
  return names.toSorted();
}

test.each(kinds)('%s: a deny on a name takes it out, the rest is there, page by page', async (kind) => {
  const field = judged[kind] ?? 'name';
  const { items } = await labd.call<Page>('GET', `/api/${kind}?limit=500`);
  const all = items.map((item) => String(item[field])).toSorted();
  expect(all.some((name) => name.startsWith('secret-'))).toBe(true);
  expect(await namesFor('wide', kind)).toEqual(all.filter((name) => !name.startsWith('secret-')));
});

test.each(kinds)('%s: who may list some sees those, and is not turned away', async (kind) => {
  const names = await namesFor('narrow', kind);
  expect(names.length).toBeGreaterThan(0);
  expect(names.every((name) => name.startsWith('rack1-'))).toBe(true);
});

test('who may list none of a kind is turned away', async () => {
  for (const kind of kinds) expect((await ask('secret-user', 'GET', `/api/${kind}`)).status).toBe(403);
});

test('a deny on a name holds for what is done to that thing, too', async () => {
  const certificates = (await labd.call<Page>('GET', '/api/certificates?limit=500')).items;
  const serialOf = (name: string) => String(certificates.find((one) => one['name'] === name)?.['serial']);
  const bindings = (await labd.call<Page>('GET', '/api/bindings?limit=500')).items;
  const bindingOf = (name: string) => String(bindings.find((one) => one['subject'] === name)?.['id']);
  const revoke = async (name: string) =>
    (await ask('cutter', 'POST', `/api/certificates/${serialOf(name)}/revoke`, { reason: 'test' })).status;
  const unbind = async (name: string) => (await ask('cutter', 'DELETE', `/api/bindings/${bindingOf(name)}`)).status;
  expect([await revoke('secret-user'), await unbind('secret-user')]).toEqual([403, 403]);
  expect([await revoke('rack1-user'), await unbind('rack1-user')]).toEqual([200, 200]);
  expect((await ask('secret-user', 'GET', '/api/auth/whoami')).status).toBe(200);
});
