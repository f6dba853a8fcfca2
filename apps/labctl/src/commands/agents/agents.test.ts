import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import type { Rollout } from '@labmesh/wire/fleet/resources/rollouts';
import { failed, type FleetGround, openFleetGround } from '../../testing/fleet-ground.ts';
import { agent } from '../../testing/fleet-samples.ts';

const rollout: Rollout = {
  ring: 'canary',
  version: '0.2.0',
  state: 'running',
  maxUnavailable: '10%',
  startedAt: '2026-01-01T00:00:00.000Z',
  startedBy: 'user:alice',
  agents: 10,
  done: 3,
  bad: 1,
  updating: 1,
  waiting: 4,
  away: 1,
  left: 0,
  badAgents: ['web-7'],
};

let ground: FleetGround;
beforeAll(async () => {
  ground = await openFleetGround();
  ground.on('POST /api/agents/:id/update', agent());
  ground.on('POST /api/agents/update', { items: [rollout] });
  ground.on('GET /api/rollouts', { items: [rollout] });
});
afterAll(() => ground[Symbol.asyncDispose]());
beforeEach(() => void (ground.labd.asked.length = 0));

const lastBody = () => JSON.parse(ground.labd.asked.at(-1)?.body ?? 'null') as unknown;

describe('agents update', () => {
  test('AG-9 a ring, a few at a time', async () => {
    const { exitCode, stdout } = await ground.labctl(
      'agents update --version 0.2.0 --ring canary --max-unavailable 10%',
    );
    expect(exitCode).toBe(0);
    expect(ground.asked()).toEqual(['POST /api/agents/update']);
    expect(lastBody()).toEqual({
      version: '0.2.0',
      ring: 'canary',
      maxUnavailable: '10%',
      now: false,
      downgrade: false,
    });
    expect(stdout).toContain('RING    VERSION  STATE    DONE  UPDATING  WAITING  AWAY  BAD');
    expect(stdout).toContain('canary  0.2.0    running  3/10');
  });

  test('agents that are named, each at once', async () => {
    const { exitCode, stdout } = await ground.labctl('agents update web-1,web-2 --version 0.2.0 --now -o name');
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'agent/web-1\nagent/web-1\n' });
    expect(ground.asked()).toEqual(['POST /api/agents/web-1/update', 'POST /api/agents/web-2/update']);
    expect(lastBody()).toEqual({ version: '0.2.0', now: true });
  });

  test('alone shows the rollouts', async () => {
    const { stdout } = await ground.labctl('agents update -o json');
    expect(JSON.parse(stdout).items).toEqual([rollout]);
    expect(ground.asked()).toEqual(['GET /api/rollouts']);
  });

  test('--stop ends the one of a ring', async () => {
    expect((await ground.labctl('agents update --ring canary --stop')).exitCode).toBe(0);
    expect(lastBody()).toMatchObject({ version: null, ring: 'canary' });
  });

  test('--dry-run tells, and labd is not asked', async () => {
    const { stderr } = await ground.labctl('agents update --version 0.2.0 --dry-run');
    expect(stderr).toContain('dry run: would bring all agents without a rollout of their ring to 0.2.0');
    expect(ground.asked()).toEqual([]);
  });

  test.each([
    ['agents update web-1', 'agents that are named take a version and no ring'],
    ['agents update web-1 --version 0.2.0 --ring a', 'agents that are named take a version and no ring'],
    ['agents update --version ../x', '"../x" is no version'],
    ['agents update --version 0.2.0 --max-unavailable 120%', 'maxUnavailable is neither a number nor a share'],
    ['agents update --version 0.2.0 --ring a/b', 'ring is not the name of a ring'],
    ['agents update --version 0.2.0 --stop', '--stop takes neither names nor a version'],
    ['agents update user/alice --version 0.2.0', 'takes no user'],
  ])('exit 2: labctl %s', async (words, problem) => {
    const { exitCode, stderr } = await ground.labctl(words);
    expect({ exitCode, asked: ground.asked() }).toEqual({ exitCode: 2, asked: [] });
    expect(stderr).toContain(problem);
  });

  test('a release that labd does not have', async () => {
    ground.on('POST /api/agents/:id/update', () => failed('NOT_FOUND', 404));
    expect((await ground.labctl('agents update web-1 --version 7.0.0')).exitCode).toBe(5);
    ground.on('POST /api/agents/:id/update', agent());
  });
});

describe('agents rollback', () => {
  test('asks for the version before', async () => {
    const { exitCode } = await ground.labctl('agents rollback server/web-1');
    expect(exitCode).toBe(0);
    expect(ground.asked()).toEqual(['POST /api/agents/web-1/update']);
    expect(lastBody()).toEqual({ rollback: true, now: false });
  });

  test('exit 2 without a name', async () => expect((await ground.labctl('agents rollback')).exitCode).toBe(2));
});
