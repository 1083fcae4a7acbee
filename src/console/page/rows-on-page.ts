/** Rows of a table that stand on the page at once: a browser lays out a thousand again and again for every figure that changes. */
export const ROWS_ON_A_PAGE = 100

/** Which of so many rows stand on a page; a page that is not there any more is the last one. */
export function rowsOnPage(page: number, count: number): { page: number; from: number; to: number } {
  const last = Math.max(0, Math.ceil(count / ROWS_ON_A_PAGE) - 1)
  const found = Math.min(Math.max(0, page), last)
  return { page: found, from: found * ROWS_ON_A_PAGE, to: Math.min(count, (found + 1) * ROWS_ON_A_PAGE) }
}
