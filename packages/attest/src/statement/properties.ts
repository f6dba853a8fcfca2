/**
 * What a certificate can say was checked (spec CT2), and who may have checked it. A property stands for one check that
 * passed; nothing follows from it about what was not checked.
 */

export const isolationLevels = [
  'SANDBOX_L0_WASM',
  'SANDBOX_L1_NAMESPACE',
  'SANDBOX_L2_USERKERNEL',
  'SANDBOX_L3_VM_EMULATED',
  'SANDBOX_L4_VM_HW',
] as const;
export type IsolationLevel = (typeof isolationLevels)[number];

export type Property = {
  /** Verifier that has to have passed; undefined = not a verifier's word. */
  verifier: string | undefined;
  /** What it says, and what the lack of it says: "<proven>", "not checked: <proven>". */
  meaning: string;
};

const property = (verifier: string | undefined, meaning: string): Property => ({ verifier, meaning });

export const properties: Readonly<Record<string, Property>> = {
  LABMESH_SYNTAX_OK: property('code_linter', 'the code parses'),
  LABMESH_SCHEMA_OK: property('json_schema', 'the JSON holds to the schema asked for'),
  LABMESH_SAFETY_OK: property('safety_filter', 'no pattern of the safety filter occurs'),
  LABMESH_TOOLS_OK: property('tool_validator', 'tool calls name known tools with arguments that fit'),
  LABMESH_NETWORK_POLICY_OK: property('leash_verifier', 'the hosts it names are allowed by the network policy'),
  LABMESH_INFRA_POLICY_OK: property('opa_verifier', 'the infrastructure it describes holds to the policy'),
  LABMESH_EXECUTED_EXIT_0: property('runtime_verifier', 'the code ran and ended with exit code 0'),
  LABMESH_TESTS_PASSED_HIDDEN: property('runtime_verifier', 'it gave the expected results for the hidden cases'),
  LABMESH_SELF_TESTS_PASSED: property('runtime_verifier', "the answer's own tests pass"),
  LABMESH_TERRAFORM_SYNTAX_OK: property('terraform_verifier', 'the Terraform files parse'),
  LABMESH_TERRAFORM_VALIDATE_OK: property('terraform_verifier', 'terraform validate accepts it'),
  LABMESH_TERRAFORM_TFSEC_OK: property('terraform_verifier', 'tfsec finds nothing severe'),
  LABMESH_AUDIT_OK: property(undefined, 'the security audit finds nothing above its threshold'),
};

/** The property of the lowest level used: LABMESH_ISOLATION_L0 to L4. */
export const isolationProperty = (level: IsolationLevel): string =>
  `LABMESH_ISOLATION_L${isolationLevels.indexOf(level)}`;

/** The lowest of several; undefined of none. */
export function lowestLevel(levels: readonly IsolationLevel[]): IsolationLevel | undefined {
  return isolationLevels.find((level) => levels.includes(level));
}
