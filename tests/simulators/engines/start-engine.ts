import { EngineSimulator, type EngineOptions, type EngineShape } from './engine-simulator.ts';
import { llamacpp } from './llamacpp.ts';
import { lmstudio } from './lmstudio.ts';
import { ollama } from './ollama.ts';
import { llamaswap, localai, mistralrs, openai, tgi } from './other-engines.ts';
import { sglang } from './sglang.ts';
import { vllm } from './vllm.ts';

const shapes = {
  ollama,
  vllm,
  sglang,
  llamacpp,
  lmstudio,
  tgi,
  mistralrs,
  localai,
  llamaswap,
  openai,
} as const satisfies Record<string, EngineShape>;

export type SimulatedKind = keyof typeof shapes;
export const simulatedKinds = Object.keys(shapes) as SimulatedKind[];

/** Starts a simulated engine on loopback. */
export async function startEngine(options: EngineOptions & { kind: SimulatedKind }): Promise<EngineSimulator> {
  return new EngineSimulator(shapes[options.kind], options);
}
