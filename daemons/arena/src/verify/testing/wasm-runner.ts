/** JavaScript jobs at level L0 without an executor: QuickJS in this process, with the deadline of the job. */
import variant from '@jitl/quickjs-singlefile-mjs-release-sync';
import { newQuickJSWASMModuleFromVariant, type QuickJSRuntime } from 'quickjs-emscripten-core';
import type { SandboxJobInput, SandboxResult, SandboxRunner } from '@labmesh/wire/verification/sandbox';
import { sampleResult, sampleLevel } from './sample-result.ts';

const memoryBytes = 32 * 1024 * 1024;

function evaluate(runtime: QuickJSRuntime, code: string): { output: string; failed: boolean } {
  let output = '';
  using context = runtime.newContext();
  using global = context.newObject();
  using log = context.newFunction('log', (text) => {
    output += `${context.getString(text)}\n`;
  });
  context.setProp(global, 'log', log);
  context.setProp(context.global, 'console', global);
  const result = context.evalCode(code);
  const failed = result.error !== undefined;
  result.dispose();
  return { output, failed };
}

/** Keeps the jobs it was given: what reached the sandbox can be looked at. */
export function wasmRunner(): SandboxRunner & { jobs: SandboxJobInput[] } {
  const jobs: SandboxJobInput[] = [];
  const ready = newQuickJSWASMModuleFromVariant(variant);
  const run = async (job: SandboxJobInput): Promise<SandboxResult> => {
    jobs.push(job);
    using runtime = (await ready).newRuntime();
    runtime.setMemoryLimit(memoryBytes);
    runtime.setMaxStackSize(256 * 1024);
    const until = performance.now() + (job.limits?.cpuMs ?? 1000);
    let late = false;
    runtime.setInterruptHandler(() => (late = performance.now() > until));
    const { output, failed } = evaluate(runtime, job.code ?? '');
    const exit = late ? 'cpu' : failed ? 'nonzero' : 'ok';
    return sampleResult({ exit, stdout: Buffer.from(output).toString('base64') });
  };
  return { jobs, run, levels: async () => [sampleLevel({})] };
}
