/** A command over pipes: stdout and stderr apart, byte for byte, and read only as fast as they are taken (EX-3). */
import { closeSync } from 'node:fs';
import type { Command } from './command.ts';
import { makePipe } from './libc.ts';
import { InputSink, outputSource } from './pipe-ends.ts';
import { signalGroup } from './process-group.ts';
import { type OutputSource, processEnd, type Spawned } from './spawned.ts';

/** `file` is run; the command sees `argv[0]`. @throws the system's error (ENOENT, EACCES …) when it cannot be started. */
export function spawnPiped(file: string, command: Command, options: { stdin: boolean; cgroup?: string }): Spawned {
  const opened: number[] = [];
  const pipe = () => {
    const ends = makePipe();
    opened.push(ends.read, ends.write);
    return ends;
  };
  try {
    const input = options.stdin ? pipe() : undefined;
    const [out, err] = [pipe(), pipe()];
    const child = Bun.spawn([file, ...command.argv.slice(1)], {
      argv0: command.argv[0] ?? file,
      cwd: command.cwd,
      env: command.env,
      stdio: [input?.read ?? 'ignore', out.write, err.write],
      // Its own session, and so its own group: signals reach all of it and nobody else.
      detached: true,
      ...(options.cgroup !== undefined && { cgroup: options.cgroup }),
    });
    for (const fd of [input?.read, out.write, err.write]) if (fd !== undefined) closeSync(fd);
    opened.length = 0;
    return pipedCommand(child, [outputSource(1, out.read), outputSource(2, err.read)], input?.write);
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error;
  }
}

function pipedCommand(child: Bun.Subprocess, outputs: readonly OutputSource[], inputFd: number | undefined): Spawned {
  const input = inputFd === undefined ? undefined : new InputSink(inputFd);
  return {
    pid: child.pid,
    exited: child.exited.then(() => processEnd(child.exitCode, child.signalCode)),
    outputs,
    write: async (bytes) => input?.write(bytes),
    endInput: () => input?.end(),
    resize: () => {},
    signal: (name) => void signalGroup(child.pid, name),
    signalAll: async (name) => void signalGroup(child.pid, name),
    dispose: () => {
      input?.end();
      for (const output of outputs) output.close();
    },
  };
}
