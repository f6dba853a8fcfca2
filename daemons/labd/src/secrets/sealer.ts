/** What the parts of labd seal with: fields of rows, under the key that is active (SE-1). */
export interface Sealer {
  /**
   * Seals `plain` for one field of one row: the text opens nowhere else. `rowId` is the row's primary key and `field`
   * the name that sealed-fields.ts has for it.
   */
  seal(table: string, rowId: string, field: string, plain: Uint8Array): string;
  /** @throws FleetError INTERNAL; its `log` names the key id. */
  open(table: string, rowId: string, field: string, text: string): Uint8Array;
}
