import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { CommandError } from '../../command-error.ts';
import { parseTarget, parseVerb } from '../../grammar/parse-kind.ts';
import { parseLabels } from '../../grammar/parse-labels.ts';
import { parseSubject } from '../../grammar/parse-subject.ts';
import { formatRules, parseRules } from '../../grammar/rule-text.ts';
import { failed, type FleetGround, openFleetGround } from '../../testing/fleet-ground.ts';
import { at, binding, id, role, user } from '../../testing/fleet-samples.ts';

let ground: FleetGround;
beforeAll(async () => (ground = await openFleetGround()));
afterAll(() => ground[Symbol.asyncDispose]());
beforeEach(() => void (ground.labd.asked.length = 0));

const login = { token: 'lmu_x', expiresAt: at(24 * 60 + 1), loginCommand: 'printf %s lmu_x | labctl login https://x' };

describe('create', () => {
  test('user: the login line on stdout, all else on stderr', async () => {
    ground.on('POST /api/users', () => ({ status: 201, json: { user: user(), ...login } }));
    const { stdout, stderr } = await ground.labctl(
      'create user alice --role operator --role viewer --email a@b.example',
    );
    expect(stdout).toBe(`${login.loginCommand}\n`);
    expect(stderr).toBe('created user/alice with role operator, viewer; the token in the line ends in 24h\n');
    expect((await ground.labctl('create user bob')).stderr).toContain(
      'it may do nothing yet: labctl create binding bob',
    );
    expect(ground.bodies('POST /api/users')).toEqual([
      { name: 'alice', roles: ['operator', 'viewer'], email: 'a@b.example' },
      { name: 'bob', roles: [] },
    ]);
    expect((await ground.labctl('create user user/alice')).exitCode).toBe(2);
    expect((await ground.labctl('create user')).stderr).toContain('the name is missing');
  });

  test('CT-8 nobody grants more than they hold: exit 4; a name that is taken: exit 8', async () => {
    ground.on('POST /api/users', () => failed('ESCALATION', 409));
    expect((await ground.labctl('create user eve --role admin')).exitCode).toBe(4);
    ground.on('POST /api/users', () => failed('CONFLICT', 409));
    expect((await ground.labctl('create user alice')).exitCode).toBe(8);
  });

  test('role: rules with commas in them stay whole', async () => {
    ground.on('POST /api/roles', () => ({ status: 201, json: role() }));
    const rules = ['allow get,list on servers', 'deny exec on servers/db-*'];
    const words = [
      'create',
      'role',
      'web-ops',
      '--rule',
      rules[0] ?? '',
      '--rule',
      rules[1] ?? '',
      '--description',
      'x',
    ];
    expect((await ground.labctl(words)).stdout).toContain('web-ops');
    expect(ground.bodies('POST /api/roles')).toEqual([{ name: 'web-ops', rules, description: 'x' }]);
    expect((await ground.labctl('create role empty')).stderr).toContain(
      'it allows nothing yet: labctl role edit empty',
    );
  });

  test('binding: user, group, service, until a moment', async () => {
    ground.on('POST /api/bindings', () => ({ status: 201, json: binding() }));
    await ground.labctl('create binding alice web-ops');
    await ground.labctl('create binding group:sre role/admin --expires 2030-01-01');
    await ground.labctl('create binding service:gateway viewer --expires 8h');
    const [first, second, third] = ground.bodies('POST /api/bindings') as Record<string, string>[];
    expect(first).toEqual({ subjectKind: 'user', subject: 'alice', role: 'web-ops' });
    expect(second).toEqual({
      subjectKind: 'group',
      subject: 'sre',
      role: 'admin',
      expiresAt: '2030-01-01T00:00:00.000Z',
    });
    expect(Date.parse(third?.['expiresAt'] ?? '') - Date.now()).toBeGreaterThan(7.9 * 3_600_000);
    expect((await ground.labctl('create binding alice')).stderr).toContain('the role is missing');
    expect((await ground.labctl('create binding robot:x admin')).stderr).toContain('"robot:x" names nobody');
  });

  test('--dry-run of all', async () => {
    for (const words of ['create user x', 'create role x --rule y', 'create binding x y']) {
      expect((await ground.labctl(`${words} --dry-run`)).stderr).toStartWith('dry run: would ');
    }
    expect(ground.asked()).toEqual([]);
  });
});

describe('user token, password, totp', () => {
  const me = (name: string) => ({
    principal: { kind: 'user', id: id(3), name },
    groups: [],
    roles: [],
    method: 'certificate',
    expiresAt: null,
    serial: null,
  });
  beforeAll(() => {
    ground.on('POST /api/users/:id/token', () => ({ status: 201, json: login }));
    ground.on('POST /api/users/:id/password', { ok: true });
    ground.on('GET /api/users/:id', user());
    ground.on('GET /api/auth/whoami', me('alice'));
  });

  test('token', async () => {
    const { stdout, stderr } = await ground.labctl('user token alice');
    expect(stdout).toBe(`${login.loginCommand}\n`);
    expect(stderr).toBe('token for user/alice, one login, ends in 24h; shown this once\n');
  });

  test('password of one’s own: current one asked, new one twice', async () => {
    const found = await ground.labctl('user password alice', {
      answers: ['old one', 'a new password', 'a new password'],
    });
    expect(found.stderr).toBe('the password of user/alice is set\n');
    expect(found.questions).toEqual(['Current password: ', 'New password: ', 'Again: ']);
    expect(ground.bodies('POST /api/users/:id/password')).toEqual([
      { password: 'a new password', currentPassword: 'old one' },
    ]);
    const differ = await ground.labctl('user password alice', { answers: ['old', 'a new password', 'another'] });
    expect(differ).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('are not the same') });
  });

  test('password of another: from stdin, and taken away after a question', async () => {
    ground.on('GET /api/auth/whoami', me('root'));
    const readStdin = async () => 'a new password\n';
    await ground.labctl('user password bob --password-file -', { readStdin });
    await ground.labctl('user password bob --remove', { answers: ['bob'] });
    expect(ground.bodies('POST /api/users/:id/password')).toEqual([{ password: 'a new password' }, { password: null }]);
    expect((await ground.labctl('user password bob --remove')).exitCode).toBe(2);
    expect((await ground.labctl('user password bob --remove --password-file x')).exitCode).toBe(2);
    ground.on('GET /api/auth/whoami', me('alice'));
  });

  test('who may not look at users may still change their own password', async () => {
    ground.on('GET /api/users/:id', () => failed('NOT_FOUND', 404));
    const answers = ['old', 'a new password', 'a new password'];
    expect((await ground.labctl('user password alice', { answers })).exitCode).toBe(0);
    expect((await ground.labctl('user password bob', { answers })).exitCode).toBe(5);
    ground.on('GET /api/users/:id', user());
  });

  test('RB-11 disable asks and is undone by enable', async () => {
    ground.on('PATCH /api/users/:id', ({ body }) => ({
      json: { ...user(), disabledAt: JSON.parse(body).disabled === true ? at(0) : null },
    }));
    expect((await ground.labctl('user disable alice')).exitCode).toBe(2);
    expect((await ground.labctl('user disable alice --yes')).stderr).toBe('user/alice is disabled\n');
    expect(JSON.parse((await ground.labctl('user enable user/alice --json')).stdout)).toMatchObject({
      disabledAt: null,
    });
    expect(ground.bodies('PATCH /api/users/:id')).toEqual([{ disabled: true }, { disabled: false }]);
    expect((await ground.labctl('user disable server/web-1 --yes')).exitCode).toBe(2);
  });

  test('totp on and off', async () => {
    ground.on('POST /api/users/:id/totp', ({ body }) => ({
      json: { uri: JSON.parse(body).enabled === true ? 'otpauth://totp/labmesh:alice?secret=X' : null },
    }));
    expect((await ground.labctl('user totp alice')).stdout).toBe('otpauth://totp/labmesh:alice?secret=X\n');
    expect((await ground.labctl('user totp alice --off --yes')).stderr).toBe('one-time codes of user/alice are off\n');
    expect((await ground.labctl('user totp alice --off')).exitCode).toBe(2);
  });
});

describe('role edit', () => {
  const put = 'PUT /api/roles/:id';
  beforeEach(() => {
    ground.on('GET /api/roles/:id', role());
    ground.on(put, role());
  });
  /** An editor that runs a line of shell on the file. */
  const editor = (line: string) => {
    const path = join(ground.home, 'editor.sh');
    writeFileSync(path, `#!/bin/sh\n${line}\n`);
    chmodSync(path, 0o700);
    return { EDITOR: path };
  };

  test('--rule replaces without an editor; the revision guards it', async () => {
    await ground.labctl(['role', 'edit', 'web-ops', '--rule', 'allow get,list on servers']);
    await ground.labctl(['role', 'edit', 'web-ops', '--description', '']);
    expect(ground.bodies(put)).toEqual([
      { revision: 7, rules: ['allow get,list on servers'] },
      { revision: 7, rules: role().rules, description: null },
    ]);
    ground.on(put, () => failed('STALE_REVISION', 409));
    expect((await ground.labctl(['role', 'edit', 'web-ops', '--rule', 'x'])).exitCode).toBe(8);
  });

  test('in an editor: comments are left out', async () => {
    const env = editor('cp "$1" "$HOME/seen"; echo "  allow logs on servers  " >> "$1"; echo "# no" >> "$1"');
    const { exitCode } = await ground.labctl('role edit web-ops', { answers: [], env });
    expect(exitCode).toBe(0);
    expect(readFileSync(join(ground.home, 'seen'), 'utf8')).toContain('# Rules of role web-ops, one a line.');
    expect(ground.bodies(put)).toEqual([{ revision: 7, rules: [...role().rules, 'allow logs on servers'] }]);
  });

  test('nothing changed is nothing saved; an editor that fails changes nothing', async () => {
    expect((await ground.labctl('role edit web-ops', { answers: [], env: editor('true') })).stderr).toBe(
      'nothing was changed\n',
    );
    const { exitCode, stderr } = await ground.labctl('role edit web-ops', { answers: [], env: editor('exit 3') });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('ended with exit code 3; nothing was changed')]);
    expect(ground.bodies(put)).toEqual([]);
    expect((await ground.labctl('role edit web-ops')).stderr).toContain('an editor needs a terminal');
  });

  test('a rule that labd refuses is edited again, with the reason at the top', async () => {
    let tries = 0;
    ground.on(put, () =>
      tries++ === 0 ? failed('VALIDATION_FAILED', 400, { message: 'unknown verb' }) : { json: role() },
    );
    const env = editor('cp "$1" "$HOME/seen-$(ls $HOME | grep -c seen-)"; echo "allow x on y" >> "$1"');
    const { exitCode, questions } = await ground.labctl('role edit web-ops', { answers: ['y'], env });
    expect(exitCode).toBe(0);
    expect(questions[0]).toContain('unknown verb (VALIDATION_FAILED)\nEdit again?');
    const again = readFileSync(join(ground.home, 'seen-1'), 'utf8');
    expect(again).toStartWith('# NOT SAVED: unknown verb');
    expect(parseRules(again)).toEqual([...role().rules, 'allow x on y']);
    tries = 0;
    expect((await ground.labctl('role edit web-ops', { answers: ['n'], env })).exitCode).toBe(2);
  });

  test('what is shown in an editor is read back the same', () => {
    const rule = fc
      .string({ unit: 'grapheme-ascii', minLength: 1 })
      .filter((text) => /^[^#\s]/.test(text) && !/\s$/.test(text));
    fc.assert(
      fc.property(fc.array(rule), fc.option(fc.string()), fc.option(fc.string()), (rules, description, problem) => {
        const text = formatRules({ name: 'x', description, rules }, problem ?? undefined);
        expect(parseRules(text)).toEqual(rules);
      }),
    );
  });
});

describe('auth can-i (RB-9)', () => {
  const answer = (changes: object) => ({
    allowed: true,
    reason: 'ALLOW_RULE',
    rule: 'allow exec on servers/web-*',
    role: 'web-ops',
    matched: ['allow exec on servers/web-*'],
    roles: ['web-ops'],
    nearest: null,
    failed: null,
    ...changes,
  });
  const route = 'POST /api/auth/can-i';

  test('yes is exit 0, no is exit 4', async () => {
    ground.on(route, answer({}));
    expect(await ground.labctl('auth can-i exec server/web-1')).toMatchObject({ exitCode: 0, stdout: 'yes\n' });
    ground.on(route, answer({ allowed: false, reason: 'DENY_RULE' }));
    expect(await ground.labctl('auth can-i exec srv web-1')).toMatchObject({ exitCode: 4, stdout: 'no\n' });
    expect(ground.bodies(route)).toEqual([
      { verb: 'exec', kind: 'servers', name: 'web-1' },
      { verb: 'exec', kind: 'servers', name: 'web-1' },
    ]);
  });

  test('--as, --account, --forward, and kinds that are no type', async () => {
    ground.on(route, answer({}));
    await ground.labctl('auth can-i forward server/db --as user/alice --account postgres --forward localhost:5432');
    await ground.labctl('auth can-i ROTATE ca');
    expect(ground.bodies(route)).toEqual([
      { verb: 'forward', kind: 'servers', name: 'db', as: 'alice', account: 'postgres', forward: 'localhost:5432' },
      { verb: 'rotate', kind: 'ca' },
    ]);
  });

  test('--explain: the rule and its role; on no match the nearest rule and what failed', async () => {
    ground.on(route, answer({ matched: ['a', 'b'] }));
    const yes = (await ground.labctl('auth can-i exec server/web-1 --explain')).stdout;
    expect(yes).toContain('Rule            allow exec on servers/web-*\nRole            web-ops\n');
    expect(yes).toContain('All that match  a\n                b\n');
    const none = { allowed: false, reason: 'NO_MATCH', rule: null, role: null, matched: [] };
    ground.on(route, answer({ ...none, nearest: 'allow exec on servers/web-*', failed: 'name' }));
    const no = await ground.labctl('auth can-i exec server/db-1 --explain');
    expect(no.exitCode).toBe(4);
    expect(no.stdout).toBe(
      'Allowed       no\nBecause       no rule allows it\nNearest rule  allow exec on servers/web-*\n' +
        'Failed at     name\nRoles held    web-ops\n',
    );
    const json = await ground.labctl('auth can-i exec server/db-1 -o json');
    expect([json.exitCode, (JSON.parse(json.stdout) as { reason: string }).reason]).toEqual([4, 'NO_MATCH']);
  });

  test.each([
    ['exce server/web-1', 'unknown verb "exce"; did you mean exec?'],
    ['exec srever/web-1', 'unknown kind "srever"; did you mean'],
    ['exec', 'the kind is missing'],
    ['', 'the verb is missing'],
    ['exec server/', 'the name in "server/" is empty'],
    ['exec server/a b', 'one name at a time'],
  ])('exit 2: %s', async (words, problem) => {
    const { exitCode, stderr } = await ground.labctl(`auth can-i ${words}`);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(problem);
  });
});

test('any words are read or refused as usage, whatever they hold', () => {
  const parsers: ((text: string) => unknown)[] = [
    parseVerb,
    (text) => parseTarget(text, undefined),
    (text) => parseTarget('servers', text),
    parseSubject,
    (text) => parseLabels([text]),
  ];
  fc.assert(
    fc.property(fc.string(), fc.constantFrom(...parsers), (text, parse) => {
      try {
        expect(parse(text)).toBeDefined();
      } catch (error) {
        expect(error).toBeInstanceOf(CommandError);
        expect((error as CommandError).exitCode).toBe(2);
      }
    }),
  );
});
