import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { failed, type FleetGround, openFleetGround } from '../../testing/fleet-ground.ts';
import { id, node, nodeToken, pageOf } from '../../testing/fleet-samples.ts';

const secret = `lmn_0aB1cD2eF3_${'s'.repeat(43)}`;
const created = {
  ...nodeToken(),
  token: secret,
  onboarding: 'labmesh-node:1:abc',
  joinCommand: 'printf %s x | sudo y',
};

let ground: FleetGround;
beforeAll(async () => {
  ground = await openFleetGround();
  ground.on('POST /api/node-tokens', created);
  ground.on('POST /api/node-tokens/:id/rotate', created);
  ground.on('DELETE /api/node-tokens/:id', nodeToken({ state: 'revoked' }));
  ground.on('GET /api/node-tokens', pageOf(nodeToken(), nodeToken({ state: 'unused', name: null, usedAt: null })));
  ground.on('POST /api/nodes/:id/ban', node({ status: 'banned' }));
  ground.on('POST /api/nodes/:id/unban', node({ status: 'offline' }));
  ground.on('DELETE /api/nodes/:id', { ok: true });
});
afterAll(() => ground[Symbol.asyncDispose]());
beforeEach(() => void (ground.labd.asked.length = 0));

describe('node token create (N1, N2)', () => {
  test('stdout is the one line for the machine', async () => {
    const { exitCode, stdout, stderr } = await ground.labctl(
      'node token create --name site-a --region eu --tenant acme --ttl 30d --allow-rekey',
    );
    expect([exitCode, stdout]).toEqual([0, 'printf %s x | sudo y\n']);
    expect(stderr).toStartWith('token lmn_0aB1cD2eF3: one node, ends in 36');
    expect(stderr).toContain('labctl node token revoke lmn_0aB1cD2eF3 ends it');
    expect(ground.bodies('POST /api/node-tokens')).toEqual([
      { name: 'site-a', region: 'eu', tenant: 'acme', ttlMs: 2_592_000_000, allowRekey: true },
    ]);
  });

  test('JSON is the whole answer; --dry-run asks nobody', async () => {
    expect(JSON.parse((await ground.labctl('node token create --json')).stdout)).toEqual(created);
    ground.labd.asked.length = 0;
    const { stderr } = await ground.labctl('node token create --dry-run');
    expect([stderr, ground.asked()]).toEqual(['dry run: would create a token for a node\n', []]);
  });

  test.each([
    ['--name Site', '--name: is not a name'],
    ['--ttl 20y', '--ttl: '],
    [`--region ${'x'.repeat(65)}`, '--region: '],
  ])('exit 2: %s', async (flags, problem) => {
    const { exitCode, stderr } = await ground.labctl(`node token create ${flags}`);
    expect([exitCode, ground.asked()]).toEqual([2, []]);
    expect(stderr).toContain(problem);
  });
});

describe('node token list, rotate, revoke', () => {
  test('list', async () => {
    const { stdout } = await ground.labctl('node token list');
    expect(stdout.split('\n')[0]).toMatch(/^TOKEN +STATE +NAME +EXPIRES +LAST USED +BY$/);
    expect(stdout).toContain('lmn_0aB1cD2eF3  unused');
    expect((await ground.labctl('node token list -o name')).stdout).toStartWith('node-token/lmn_0aB1cD2eF3\n');
  });

  test('by prefix, by its digits, by id; of a pasted secret only the prefix leaves', async () => {
    const words = ['lmn_0aB1cD2eF3', '0aB1cD2eF3', secret, id(12)];
    const { exitCode, stderr } = await ground.labctl(['node', 'token', 'revoke', ...words, '--yes']);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(ground.asked()).toEqual(['DELETE /api/node-tokens/lmn_0aB1cD2eF3', `DELETE /api/node-tokens/${id(12)}`]);
    expect((await ground.labctl('node token rotate 0aB1cD2eF3')).stdout).toBe('printf %s x | sudo y\n');
  });

  test.each([
    ['node token revoke', 'the token is missing'],
    ['node token revoke lmj_0a1b2c3d --yes', 'this is no node token'],
    ['node token rotate lmn_0aB1cD2eF3,lmn_0aB1cD2eF4', 'one token at a time'],
    ['node token revoke lmn_0aB1cD2eF3', 'add --yes'],
    ['node token', 'node token needs a verb'],
  ])('exit 2: labctl %s', async (words, problem) => {
    const { exitCode, stderr } = await ground.labctl(words);
    expect([exitCode, ground.asked()]).toEqual([2, []]);
    expect(stderr).toContain(problem);
  });
});

describe('nodes leave (H3)', () => {
  test('ban and unban, with a reason, shown as nodes', async () => {
    const { stdout } = await ground.labctl(['ban', 'node/site-a', '--reason', 'left us', '--yes']);
    expect(stdout).toMatch(/site-a +banned/);
    expect((await ground.labctl('unban node/site-a -o name')).stdout).toBe('node/site-a\n');
    expect(ground.asked()).toEqual(['POST /api/nodes/site-a/ban', 'POST /api/nodes/site-a/unban']);
    expect(ground.bodies('POST /api/nodes/:id/ban')).toEqual([{ reason: 'left us' }]);
  });

  test('servers and nodes are not banned together', async () => {
    const { exitCode, stderr } = await ground.labctl('ban server/a node/b --yes');
    expect([exitCode, ground.asked()]).toEqual([2, []]);
    expect(stderr).toContain('either servers or nodes');
  });

  test('delete says what its token still does', async () => {
    const asked = await ground.labctl('delete node/site-a', { answers: ['site-a'] });
    expect(asked.exitCode).toBe(0);
    expect(asked.questions[0]).toContain('it comes back with its token unless that is revoked, or it is banned');
    expect(ground.asked()).toEqual(['DELETE /api/nodes/site-a']);
  });

  test('one that is not there', async () => {
    ground.on('DELETE /api/nodes/:id', () => failed('NOT_FOUND', 404));
    expect((await ground.labctl('delete node/nobody --yes')).exitCode).toBe(5);
  });
});

test('filters of nodes go to labd; unknown states are an error here', async () => {
  ground.on('GET /api/nodes', pageOf(node()));
  await ground.labctl('get nodes --status stale --match site');
  expect(ground.asked()).toEqual(['GET /api/nodes?limit=500&status=stale&q=site']);
  expect((await ground.labctl('get nodes --status green')).exitCode).toBe(2);
});
