import { BufferIndex } from '../../src/buffer/buffer-index.ts'
import type { AsyncStore } from '../../src/buffer/store-thread.ts'

/** Gives what a look through the database brings also to sources that were not looked for: what lies between their window and that look comes later. */
export class GreedyIndex extends BufferIndex {
  override async loadUncut(store: AsyncStore): Promise<void> {
    const all = [...this.sources.values()]
    const { uncutWindow, scanRows } = this.limits
    let after = Math.min(...all.filter(source => this.isBlind(source)).map(source => source.loadedThrough))
    while (all.some(source => this.isBlind(source))) {
      const rows = await store.scan(after, scanRows)
      for (const row of rows) {
        const source = all.find(({ id }) => id === row.source)
        if (!source || row.id <= source.loadedThrough || source.uncut.length >= uncutWindow) continue
        source.uncut.push(row)
        source.loadedThrough = row.id
      }
      const last = rows.at(-1)
      if (!last) return
      after = last.id
    }
  }
}
