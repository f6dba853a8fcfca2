import { expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { openLabdApp } from '../../../../../tests/harness/labd-app.ts';

test('RB-9 can-i --as counts the groups of the newest login that stands', async () => {
  await using app = await openLabdApp();
  const { logins } = app.core.people;
  await app.call('POST', '/api/roles', { json: { name: 'dbs', rules: ['allow exec on servers/db-*'] } });
  await app.call('POST', '/api/bindings', { json: { subjectKind: 'group', subject: 'dba', role: 'dbs' } });
  await app.call('POST', '/api/users', { json: { name: 'ann', roles: [] } });
  const { body: user } = await app.call('GET', '/api/users/ann');
  const may = async () => {
    const json = { verb: 'exec', kind: 'servers', name: 'db-1', as: 'ann' };
    return (await app.call('POST', '/api/auth/can-i', { json })).body.allowed as boolean;
  };
  const login = (groups: string[]) =>
    app.core.store.write(system('test'), (tx) => logins.open(tx, { id: user.id, name: 'ann' }, groups));
  expect(await may()).toBe(false);
  const { id } = await login(['dba', 'ops']);
  expect(await may()).toBe(true);
  await logins.revoke({ principal: system('test'), sourceIp: '', requestId: 'r' }, id);
  expect(await may()).toBe(false);
  await login(['dba']);
  await login(['ops']);
  expect(await may()).toBe(false);
});
