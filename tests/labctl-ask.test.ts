import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'bun:test';
import { sampleResult } from '@labmesh/gateway/testing/fake-arena';
import { CommandError } from '@labmesh/labctl/command-error';
import { ask } from '@labmesh/labctl/commands/ask';
import { testWorld } from '@labmesh/labctl/testing/test-world';
import { parseOptions } from '@labmesh/kit/options';
import { VerificationGround } from './harness/verification-ground.ts';

/** Runs `labctl ask` against the ground's gateway; `error` is what it threw. */
async function run(ground: VerificationGround, ...words: string[]) {
  const argv = ['--api', ground.mesh.gateway.api, '--key', ground.mesh.key, ...words];
  const { values, positionals, sources } = parseOptions(ask.options, { argv });
  const world = testWorld();
  const call = { values, positionals, sources, world, rest: undefined, commands: [], file: undefined };
  try {
    return { code: (await ask.run(call)) ?? 0, ...world.said, error: undefined };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { code: error.exitCode, ...world.said, error };
  }
}

describe('labctl ask', () => {
  test('without --verify it streams an answer of the engine', async () => {
    await using ground = await VerificationGround.start();
    const said = await run(ground, 'write', 'add');
    expect([said.code, said.stdout]).toEqual([0, 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7\n']);
    expect(ground.arena.offers).toHaveLength(0);
    const mixed = await run(ground, '--suite', 's', 'x');
    expect([mixed.code, mixed.error?.message]).toEqual([2, '--suite goes with --verify']);
    expect((await run(ground)).code).toBe(2);
  });

  test('with --verify variations and verdicts come live, the answer alone on stdout, the certificate into a file', async () => {
    await using ground = await VerificationGround.start();
    const folder = mkdtempSync(join(tmpdir(), 'labmesh-ask-'));
    const cert = join(folder, 'answer.labcert');
    ground.arena.script = () => [
      { event: 'accepted', runId: 'run-1', cached: false, position: 0 },
      { event: 'outcome', index: 1, attempt: 0, outcome: 'valid', score: 1 },
      sampleResult(),
    ];
    ground.arena.answer = (call) => Response.json({ certificate: call.path });
    const words = [
      '--verify',
      '--variations',
      '3',
      '--suite',
      'add',
      '--verifier',
      'code_linter,json_schema',
      '--bracket',
      'opencoder',
      '--cert',
      cert,
    ];
    const said = await run(ground, ...words, 'write add');
    expect([said.code, said.stdout]).toEqual([0, 'the verified answer\n']);
    expect(said.stderr).toContain('variation 2    valid');
    expect(said.stderr).toContain(`labctl cert verify ${cert}`);
    expect(JSON.parse(readFileSync(cert, 'utf8'))).toEqual({ certificate: '/api/arena/certificates/cert-1' });
    const offer = ground.arena.offers[0]?.offer;
    expect(offer?.request).toMatchObject({ model: 'm', messages: [{ role: 'user', content: 'write add' }] });
    expect(offer?.block).toMatchObject({ variations: 3, suite: 'add', verifiers: ['code_linter', 'json_schema'] });
    expect(offer?.block.bracket).toBe('opencoder');
    rmSync(folder, { recursive: true });
  });

  test.each([
    ['valid', 0],
    ['invalid', 1],
    ['inconclusive', 3],
    ['unchecked', 4],
  ] as const)('%s is exit code %d; only what nothing speaks against is printed', async (status, code) => {
    await using ground = await VerificationGround.start();
    ground.arena.script = () => [sampleResult({}, { status, certificate_id: null })];
    const cert = join(tmpdir(), `labmesh-none-${process.pid}.labcert`);
    const said = await run(ground, '--verify', '--cert', cert, 'x');
    expect([said.code, said.stdout !== '']).toEqual([code, status === 'valid' || status === 'unchecked']);
    expect(said.stderr).toStartWith(status);
    expect(existsSync(cert)).toBe(false);
    const json = await run(ground, '--verify', '--json', 'x');
    expect([json.code, JSON.parse(json.stdout).report.status, json.stderr]).toEqual([code, status, '']);
  });

  test.each([
    ['verification_inconclusive', 3],
    ['verification_deadline', 7],
    ['verification_unavailable', 6],
    ['verification_bad_option', 2],
    ['arena_busy', 1],
  ] as const)('an error %s is exit code %d', async (code, exitCode) => {
    await using ground = await VerificationGround.start();
    const error = {
      event: 'error',
      code,
      message: 'be\u001bcause',
      field: null,
      retryAfterS: null,
      runId: null,
    } as const;
    ground.arena.script = () => [error];
    const said = await run(ground, '--verify', 'x');
    expect([said.code, said.error?.message]).toEqual([exitCode, `be\\x1bcause (${code})`]);
  });

  test('what is no run, or ends too early', async () => {
    await using ground = await VerificationGround.start();
    ground.arena.script = () => ['nonsense\n'];
    expect((await run(ground, '--verify', 'x')).error?.message).toContain('not understood');
    ground.arena.script = () => [];
    expect((await run(ground, '--verify', 'x')).error?.message).toContain('broke off');
    await ground.arena[Symbol.asyncDispose]();
    expect((await run(ground, '--verify', 'x')).error?.message).toContain('verification_unavailable');
    await ground.mesh.gateway[Symbol.asyncDispose]();
    expect((await run(ground, '--verify', '-m', 'm', 'x')).error?.message).toContain('cannot be reached');
  });
});
