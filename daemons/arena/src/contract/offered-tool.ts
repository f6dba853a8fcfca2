/** A tool as a run's plan keeps it (AR18): the run goes on with it wherever it goes on. */
export type OfferedTool = {
  /** Of the settings. */
  server: string;
  /** As its server names it. */
  tool: string;
  /** The function that a model sees. */
  offeredAs: string;
  description: string;
  /** JSON Schema of its arguments. */
  parameters: Record<string, unknown>;
};
