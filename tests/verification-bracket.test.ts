/** The bracket opencoder from a request to its certificate (verification BR1, BR2), through gateway, arena and sandbox. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { closeTestRunner, sandboxMissing } from '@labmesh/arena/verify/testing/test-runner';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabctlHome } from './harness/labctl-process.ts';
import { ArenaGround } from './harness/arena-ground.ts';

const storyMs = 60_000;
const fenced = (code: string, language = 'python') => `\`\`\`${language}\n${code}\n\`\`\``;
const block = { mode: 'intercept', bracket: 'opencoder', variations: 1, correction: false, on_fail: 'best_effort' };

type Report = {
  status: string;
  run_id: string;
  certificate_id: string | null;
  properties: string[];
  failures: { verifier: string; message: string; code: string | null }[];
};

describe.skipIf(sandboxMissing !== undefined)(`bracket opencoder ${sandboxMissing ?? ''}`, () => {
  let ground: ArenaGround;
  beforeAll(async () => {
    ground = await ArenaGround.start();
  }, storyMs);
  afterAll(async () => {
    await ground[Symbol.asyncDispose]();
    await closeTestRunner();
  });

  async function ask(content: string, more: object = {}): Promise<Report> {
    const response = await ground.chat(content, { ...block, ...more });
    const body = (await response.json()) as { verification: Report };
    return body.verification;
  }
  const view = async (id: string, name: string) =>
    (await (await ground.get(`/v1/certificates/${id}?view=${name}`)).json()) as Record<string, unknown>;

  test(
    'an answer that runs and is audited is certified with both, also where the request names another verifier',
    async () => {
      for (const more of [{}, { verifiers: ['safety_filter'] }]) {
        const report = await ask(fenced('print(sum([1, 2]))'), more);
        expect(report).toMatchObject({ status: 'valid', failures: [] });
        expect(report.properties).toEqual(expect.arrayContaining(['AUDIT_OK', 'EXECUTED_EXIT_0']));
        expect(await view(report.run_id, 'functional')).toMatchObject({
          status: 'valid',
          issuer: 'OpenCoderBracket',
          execution_proof: { exit_code: 0 },
          security_audit: {
            tool: expect.stringMatching(/^builtin(, bandit [\d.]+)?$/),
            passed: true,
            findings_count: 0,
          },
          metadata: { code_blocks_count: 1, total_code_size: 'print(sum([1, 2]))\n'.length },
        });
      }
    },
    storyMs,
  );

  test(
    'a certificate is made again from file and answer, by a process of its own (CT8)',
    async () => {
      const answer = fenced('print(sum([1, 2]))');
      const { run_id: id } = await ask(answer);
      using home = new LabctlHome();
      const at = (name: string, text: string) => {
        writeFileSync(join(home.folder, name), text);
        return name;
      };
      const file = at('one.labcert', await (await ground.get(`/v1/certificates/${id}`)).text());
      const again = (...words: string[]) => home.run('cert', 'reproduce', file, '--data', home.data, ...words);
      const found = await again('--response', at('answer.md', answer), '--json');
      expect(found).toMatchObject({ exitCode: 0, stderr: '' });
      const { checks } = JSON.parse(found.stdout) as { checks: { name: string; result: string }[] };
      expect(checks.every(({ result }) => result === 'same')).toBe(true);
      expect(checks.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['security_audit', 'runtime_verifier', 'execution_proof', 'audit findings']),
      );
      expect(await again('--response', at('other.md', fenced('print(3)')))).toMatchObject({ exitCode: 1 });
      // What prints something else each time is told.
      const random = fenced('import os\nprint(os.urandom(8))');
      const { run_id: other } = await ask(random);
      at(file, await (await ground.get(`/v1/certificates/${other}`)).text());
      const differs = await again('--response', at('random.md', random));
      expect(differs).toMatchObject({
        exitCode: 1,
        stdout: expect.stringMatching(/execution_proof +DIFFERS +another stdout_hash/),
      });
    },
    storyMs,
  );

  test(
    'labctl verify --bracket: what would be refused is told without a gateway, by an exit code',
    async () => {
      using home = new LabctlHome();
      const verify = async (answer: string, ...words: string[]) => {
        writeFileSync(join(home.folder, 'answer.md'), answer);
        return (await home.run('verify', 'answer.md', '--data', home.data, ...words)).exitCode;
      };
      expect(await verify(fenced('print(eval("1"))'), '--bracket', 'opencoder')).toBe(1);
      expect(await verify('no code', '--bracket', 'opencoder', '--verifier', 'safety_filter')).toBe(1);
      expect(await verify(fenced('print(1)'), '--bracket', 'opencoder')).toBe(0);
      expect(await verify(fenced('print(eval("1"))'))).toBe(0);
      expect(await verify('x', '--bracket', 'none of these')).toBe(2);
    },
    storyMs,
  );

  test(
    'eval is refused, whoever wants the code to run',
    async () => {
      const evil = fenced('print(eval("1 + 1"))');
      const report = await ask(evil);
      expect(report).toMatchObject({ status: 'invalid', certificate_id: null });
      expect(report.failures).toMatchObject([{ verifier: 'security_audit', message: expect.stringContaining('B307') }]);
      expect((await ground.get(`/v1/certificates/${report.run_id}`)).status).toBe(404);
      expect(await view(report.run_id, 'functional')).toMatchObject({
        status: 'invalid',
        certificate_id: null,
        metadata: { error: '0 of 1 answer valid' },
      });
      // Who did not ask for a best effort gets no answer at all.
      const strict = await ground.chat(evil, { ...block, on_fail: 'error' });
      expect(strict.status).toBe(422);
      expect(await strict.text()).not.toContain('print(');
      // Without the bracket it is a program that ends well.
      expect(await ask(evil, { bracket: 'none' })).toMatchObject({ status: 'valid' });
    },
    storyMs,
  );

  test(
    'bash and JavaScript are audited and certified too',
    async () => {
      for (const [language, good, evil] of [
        ['bash', 'echo "$((1 + 2))"', 'x="ls"; eval "$x"'],
        ['js', 'console.log(1 + 2)', 'console.log(eval("1 + 2"))'],
      ] as const) {
        const report = await ask(fenced(good, language));
        expect(report).toMatchObject({ status: 'valid', certificate_id: expect.stringContaining('cert-') });
        expect(report.properties).toEqual(expect.arrayContaining(['AUDIT_OK', 'EXECUTED_EXIT_0']));
        expect(await ask(fenced(evil, language))).toMatchObject({ status: 'invalid', certificate_id: null });
      }
    },
    storyMs,
  );

  test(
    'an answer without code is not what was asked for',
    async () => {
      const report = await ask('Certainly! Use the sum function.');
      expect(report).toMatchObject({ status: 'invalid', certificate_id: null });
      expect(report.failures).toMatchObject([
        { verifier: 'security_audit', message: 'No code blocks found', code: 'NO_CODE' },
      ]);
      expect(await view(report.run_id, 'functional')).toEqual({
        certificate_id: null,
        trajectory_id: report.run_id,
        status: 'invalid',
        execution_proof: null,
        security_audit: null,
        network_policy_check: false,
        issued_at: null,
        expires_at: null,
        issuer: null,
        metadata: { error: 'No code blocks found' },
      });
      expect((await ground.get(`/v1/certificates/${report.run_id}?view=summary`)).status).toBe(404);
    },
    storyMs,
  );
});
