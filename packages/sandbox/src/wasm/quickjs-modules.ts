/** Fresh QuickJS modules: compiled once, instantiated for each job with a memory of its own. */
import quickjsVariant from '@jitl/quickjs-singlefile-mjs-release-sync';
import { newQuickJSWASMModuleFromVariant, newVariant, type QuickJSWASMModule } from 'quickjs-emscripten-core';

const pageBytes = 65_536;
/** What the module asks for at its start. */
const initialBytes = 16 * 1024 * 1024;

export type FreshModule = { quickjs: QuickJSWASMModule; memory: WebAssembly.Memory };
/** `memoryBytes` is the most that its memory can grow to; the engine's own limit does not count in WebAssembly. */
export type MakeModule = (memoryBytes: number) => Promise<FreshModule>;

/** The compiled code lies inside of the package's JavaScript and is given to WebAssembly alone: it is taken there. */
async function compile(): Promise<WebAssembly.Module> {
  const { instantiate } = WebAssembly;
  let compiled: WebAssembly.Module | undefined;
  const watched = async (source: Bun.BufferSource, imports?: Bun.WebAssembly.Imports) => {
    compiled = await WebAssembly.compile(source);
    return { module: compiled, instance: await instantiate(compiled, imports) };
  };
  Object.assign(WebAssembly, { instantiate: watched });
  try {
    await newQuickJSWASMModuleFromVariant(quickjsVariant);
  } finally {
    Object.assign(WebAssembly, { instantiate });
  }
  if (compiled === undefined) throw new Error('the engine did not load as WebAssembly');
  return compiled;
}

export async function openModules(): Promise<MakeModule> {
  const wasmModule = await compile();
  return async (memoryBytes) => {
    const maximum = Math.floor(Math.max(memoryBytes, initialBytes) / pageBytes);
    const memory = new WebAssembly.Memory({ initial: initialBytes / pageBytes, maximum });
    const variant = newVariant(quickjsVariant, { wasmModule, wasmMemory: memory });
    return { quickjs: await newQuickJSWASMModuleFromVariant(variant), memory };
  };
}
