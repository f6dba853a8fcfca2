import { expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { openLabdApp } from '../../../../../tests/harness/labd-app.ts';

const day = 86_400_000;

test('AP-3 the state of the CA names what the caller may list, and no more', async () => {
  await using app = await openLabdApp();
  const now = Date.now();
  for (const hostname of ['web-1', 'db-1']) {
    const [id, agent] = [uuidv7(), uuidv7()];
    const server = { id, created_at: 1, hostname, macs: '[]', status: 'active' };
    const leaf = {
      kind: 'agent',
      name: hostname,
      key_hash: hostname,
      not_before: now - 29 * day,
      not_after: now + day,
    };
    const row = {
      id: hostname,
      created_at: 1,
      identity: hostname,
      subject_id: agent,
      issuer_key: '',
      issued_by: '',
      pem: '',
    };
    await app.core.store.write(system('test'), async (tx) => {
      await tx.insertInto('servers').values(server).execute();
      const rest = { created_at: 1, bad_versions: '[]', key_hash: hostname };
      await tx
        .insertInto('agents')
        .values({ id: agent, server_id: id, ...rest })
        .execute();
      await tx
        .insertInto('certificates')
        .values({ ...row, ...leaf })
        .execute();
    });
  }
  const rules = ['allow * on *', 'deny list on servers/db-*', 'deny list on certificates/db-*'];
  await app.call('POST', '/api/roles', { json: { name: 'no-db', rules } });
  await app.call('POST', '/api/users', { json: { name: 'ann', roles: ['no-db'] } });
  const password = 'correct horse battery';
  await app.call('POST', '/api/users/ann/password', { json: { password } });
  const { body: login } = await app.call('POST', '/api/auth/login', { json: { user: 'ann', password } });
  const headers = { authorization: `Bearer ${login.session}` };
  const { body: ofAnn } = await app.call('GET', '/api/ca', { headers }, { door: 'api' });
  const { body: whole } = await app.call('GET', '/api/ca');
  const warned = ({ warnings }: { warnings: string[] }) =>
    warnings.map((text) => text.split(' ', 2)[1] ?? '').toSorted();
  expect([whole.behind, warned(whole)]).toEqual([
    ['db-1', 'web-1'],
    ['db-1', 'web-1'],
  ]);
  expect([ofAnn.behind, warned(ofAnn)]).toEqual([['web-1'], ['web-1']]);
});
