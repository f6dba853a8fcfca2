/** A runner of jobs for tests: bubblewrap with its own user, nothing held by cgroups. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type SandboxJobInput,
  sandboxJobSchema,
  type SandboxResult,
  type SandboxRunner,
} from '@labmesh/wire/verification/sandbox';
import { uuidv7 } from '@labmesh/wire/ids';

let uid = 910_000;
const bunPath = process.execPath;

export const testRunner: SandboxRunner & { sent: SandboxJobInput[] } = {
  sent: [],
  levels: () => Promise.resolve([]),
  run: async (input, signal) => {
    testRunner.sent.push(input);
    const job = sandboxJobSchema.parse(input);
    const dir = mkdtempSync(join(tmpdir(), 'nsr-'));
    chmodSync(dir, 0o755);
    const work = join(dir, 'tmp');
    mkdirSync(work);
    for (const { path, content } of job.files) {
      mkdirSync(dirname(join(work, path)), { recursive: true });
      writeFileSync(join(work, path), Buffer.from(content, 'base64'));
    }
    const id = String(uid++);
    Bun.spawnSync(['chown', '-R', id, work]);
    const args = ['prlimit', '--core=0', '--nofile=64', `--cpu=${Math.ceil(job.limits.cpuMs / 1000)}`];
    args.push('setpriv', '--reuid', id, '--regid', id, '--clear-groups', '--inh-caps=-all', '--no-new-privs');
    args.push('bwrap', '--unshare-all', '--die-with-parent', '--new-session', '--clearenv', '--setenv', 'PATH');
    args.push('/usr/bin:/bin', '--setenv', 'HOME', '/tmp', '--setenv', 'LANG', 'C.UTF-8', '--ro-bind', '/usr', '/usr');
    args.push('--symlink', 'usr/lib', '/lib', '--symlink', 'usr/lib64', '/lib64', '--symlink', 'usr/bin', '/bin');
    args.push('--proc', '/proc', '--dev', '/dev', '--bind', work, '/tmp', '--ro-bind', bunPath, '/opt/bun');
    for (const [k, v] of Object.entries(job.env)) args.push('--setenv', k, v);
    args.push('--chdir', '/tmp', ...(job.argv ?? []));
    const begun = performance.now();
    const child = Bun.spawn(args, {
      stdin: Buffer.from(job.stdin, 'base64'),
      stdout: 'pipe',
      stderr: 'pipe',
      env: process.env,
    });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, job.limits.wallMs);
    const abort = () => child.kill('SIGKILL');
    signal?.addEventListener('abort', abort);
    // What was killed while it was being made may leave somebody who holds the pipes.
    const read = (from: ReadableStream<Uint8Array>) =>
      Promise.race([new Response(from).bytes(), child.exited.then(() => Bun.sleep(500)).then(() => new Uint8Array())]);
    const [out, err, code] = await Promise.all([read(child.stdout), read(child.stderr), child.exited]);
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    const files = job.collect.flatMap((path) => {
      try {
        return [{ path, content: readFileSync(join(work, path)).toString('base64') }];
      } catch {
        return [];
      }
    });
    rmSync(dir, { recursive: true, force: true });
    signal?.throwIfAborted();
    const over = out.length > job.limits.outputBytes || err.length > job.limits.outputBytes;
    const signalled = code > 128;
    const result: SandboxResult = {
      id: uuidv7(),
      exit: late ? 'wall' : over ? 'output' : code === 0 ? 'ok' : signalled ? 'signal' : 'nonzero',
      code: late || signalled ? null : code,
      signal: signalled ? `SIG${code - 128}` : null,
      stdout: Buffer.from(out).toString('base64'),
      stderr: Buffer.from(err).toString('base64'),
      truncated: over,
      usage: { wallMs: performance.now() - begun, cpuMs: null, maxRssBytes: null },
      level: 'SANDBOX_L1_NAMESPACE',
      backend: 'bubblewrap (test)',
      uidIsolated: true,
      cgroup: false,
      limits: job.limits,
      files,
      error: null,
    };
    return result;
  },
};

const have = (program: string) => Bun.which(program) !== null;
export const sandboxMissing: string | undefined = !have('bwrap')
  ? '(needs bubblewrap: apt install bubblewrap)'
  : !have('python3')
    ? '(needs python3: apt install python3)'
    : undefined;
