import { expect, test } from 'bun:test';
import { openLabdApp } from '../../../../../tests/harness/labd-app.ts';

test('RB-5 a deny on a holder keeps roles from it, and no row stays', async () => {
  await using app = await openLabdApp();
  const rules = ['allow * on *', 'deny create on bindings/secret-*'];
  await app.call('POST', '/api/roles', { json: { name: 'binder', rules } });
  await app.call('POST', '/api/roles', { json: { name: 'plain', rules: ['allow get on servers/x'] } });
  for (const name of ['secret-user', 'other']) await app.call('POST', '/api/users', { json: { name, roles: [] } });
  await app.call('POST', '/api/users', { json: { name: 'ann', roles: ['binder'] } });
  const password = 'correct horse battery';
  await app.call('POST', '/api/users/ann/password', { json: { password } });
  const { body: login } = await app.call('POST', '/api/auth/login', { json: { user: 'ann', password } });
  const headers = { authorization: `Bearer ${login.session}` };
  const { body: secret } = await app.call('GET', '/api/users/secret-user');
  const bind = async (subjectKind: string, subject: string) => {
    const json = { subjectKind, subject, role: 'plain' };
    return (await app.call('POST', '/api/bindings', { headers, json }, { door: 'api' })).status;
  };
  // By name, by id, and a group.
  for (const subject of ['secret-user', secret.id]) expect(await bind('user', subject)).toBe(403);
  expect(await bind('group', 'secret-group')).toBe(403);
  expect(await bind('user', 'other')).toBeLessThan(300);
  const { body: bindings } = await app.call('GET', '/api/bindings?limit=500');
  const held = bindings.items.filter(({ role }: { role: string }) => role === 'plain');
  expect(held.map(({ subject }: { subject: string }) => subject)).toEqual(['other']);
});
