/** Rows below their titles, in columns of equal width, for a terminal. */
export function table(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const lines = [titles.map((title) => title.toUpperCase()), ...rows];
  const widths = titles.map((_, column) => Math.max(...lines.map((row) => width(row[column]))));
  return lines.map((row) =>
    row
      .map((cell, column) => printable(cell).padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

const width = (cell = ''): number => printable(cell).length;

/** What would move the cursor or break the line is shown as a space. */
function printable(cell: string): string {
  return cell.replaceAll(/\p{Cc}/gu, ' ');
}
