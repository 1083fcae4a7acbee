import { dirname } from 'node:path'
import type { SeededRandom } from '../support/random.ts'
import type { DiskEvent } from './disk-events.ts'

/** What a disk writes whole or not at all, bytes. */
const SECTOR_BYTES = 512

type Change = { readonly ended: number } & (
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly size: number }
)

interface Inode {
  durable: Buffer<ArrayBuffer>
  /** Not synced: any of them may be on the disk, in any order, whole or in pieces. */
  pending: Change[]
}

type Names = Map<string, Inode | 'folder'>
interface Naming {
  readonly ended: number
  readonly folder: string
  readonly apply: (names: Names) => void
}

/** How much of what was not synced is on the disk. */
const HOW = ['nothing', 'everything', 'names alone', 'data alone', 'one change', 'all but one change', 'pieces'] as const
export type How = (typeof HOW)[number]

/** What a disk may hold after the power went. */
export interface CrashState {
  readonly how: How
  readonly folders: readonly string[]
  readonly files: ReadonlyMap<string, Buffer>
}

/**
 * A disk that promises what POSIX does and no more: a file's content is there once the file was synced, a name once its folder was. Until then each
 * write may be there or not, in any order, in pieces of a sector; names in one folder come in their order, but not together with those of another, nor
 * with the content of the files that they name.
 */
export class PowerlessDisk {
  readonly #durable: Names = new Map()
  readonly #live: Names = new Map()
  #namings: Naming[] = []

  constructor(root: string) {
    this.#durable.set(root, 'folder')
    this.#live.set(root, 'folder')
  }

  apply(event: DiskEvent): void {
    switch (event.kind) {
      case 'write':
      case 'truncate':
        this.#fileAt(event.path)?.pending.push(event)
        return
      case 'create': {
        const { path, isFolder } = event
        const made = isFolder ? 'folder' : { durable: Buffer.alloc(0), pending: [] }
        this.#name(event, path, names => names.set(path, made))
        return
      }
      case 'rename': {
        const { from, to } = event
        const moved = this.#live.get(from)
        if (!moved) throw new Error(`${from} was never made`)
        this.#name(event, to, names => {
          names.delete(from)
          names.set(to, moved)
        })
        return
      }
      case 'remove':
        this.#name(event, event.path, names => names.delete(event.path))
        return
      case 'sync':
        this.#sync(event.path, event.began)
    }
  }

  /** One thing that the disk may hold now. */
  state(how: How, random: SeededRandom): CrashState {
    const inodes = new Set([...this.#live.values(), ...this.#durable.values()].filter(each => each !== 'folder'))
    const pending = [...inodes].flatMap(inode => inode.pending)
    const chosen = pending.length > 0 ? random.pick(pending) : undefined
    const pieces = (change: Change): 'whole' | 'torn' | 'not' => {
      switch (how) {
        case 'nothing':
        case 'names alone':
          return 'not'
        case 'everything':
        case 'data alone':
          return 'whole'
        case 'one change':
          return change === chosen ? 'whole' : 'not'
        case 'all but one change':
          return change === chosen ? 'not' : 'whole'
        case 'pieces':
          return random.pick(['whole', 'torn', 'not'])
      }
    }
    const names = this.#namesAs(how, random)
    const files = new Map<string, Buffer>()
    const folders: string[] = []
    for (const [path, is] of names) {
      if (!this.#isReachable(path, names)) continue
      if (is === 'folder') folders.push(path)
      else files.set(path, contentOf(is, pieces, random))
    }
    return { how, folders: folders.toSorted(), files }
  }

  /** Whether something is not synced that a state may hold or not. */
  get isUnsettled(): boolean {
    return this.#namings.length > 0 || [...this.#live.values()].some(each => each !== 'folder' && each.pending.length > 0)
  }

  #namesAs(how: How, random: SeededRandom): Names {
    const names: Names = new Map(this.#durable)
    for (const [, namings] of Map.groupBy(this.#namings, ({ folder }) => folder)) {
      const some = random.between(0, namings.length + 1)
      const isAll = how === 'everything' || how === 'names alone' || how === 'all but one change'
      const kept = isAll ? namings.length : how === 'nothing' || how === 'data alone' ? 0 : some
      for (const { apply } of namings.slice(0, kept)) apply(names)
    }
    return names
  }

  #isReachable(path: string, names: Names): boolean {
    for (let at = dirname(path); at.length >= this.#root.length; at = dirname(at)) if (!names.has(at)) return false
    return true
  }

  get #root(): string {
    return this.#durable.keys().next().value ?? '/'
  }

  #fileAt(path: string): Inode | undefined {
    const found = this.#live.get(path)
    return found === 'folder' ? undefined : found
  }

  #name({ ended }: DiskEvent, path: string, apply: (names: Names) => void): void {
    apply(this.#live)
    this.#namings.push({ ended, folder: dirname(path), apply })
  }

  #sync(path: string, began: number): void {
    const found = this.#live.get(path)
    if (found === undefined) return
    if (found === 'folder') {
      for (const { folder, ended, apply } of this.#namings) if (folder === path && ended < began) apply(this.#durable)
      this.#namings = this.#namings.filter(({ folder, ended }) => folder !== path || ended >= began)
      return
    }
    const durable = found.pending.filter(({ ended }) => ended < began)
    found.durable = durable.reduce(changed, found.durable)
    found.pending = found.pending.filter(({ ended }) => ended >= began)
  }
}

/** Each as often as the others. */
export function drawHow(random: SeededRandom): How {
  return random.pick(HOW)
}

function contentOf(inode: Inode, pieces: (change: Change) => 'whole' | 'torn' | 'not', random: SeededRandom): Buffer {
  let content = Buffer.from(inode.durable)
  for (const change of inode.pending) {
    const much = pieces(change)
    if (much === 'not') continue
    if (much === 'whole' || change.kind === 'truncate') content = changed(content, change)
    else for (const piece of sectorsOf(change)) if (random.next() < 0.5) content = changed(content, piece)
  }
  return content
}

function* sectorsOf(change: Extract<Change, { kind: 'write' }>): Generator<Change> {
  const { offset, bytes, ended } = change
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, from + SECTOR_BYTES - ((offset + from) % SECTOR_BYTES))
    yield { kind: 'write', ended, offset: offset + from, bytes: bytes.subarray(from, to) }
    from = to
  }
}

function changed(content: Buffer<ArrayBuffer>, change: Change): Buffer<ArrayBuffer> {
  if (change.kind === 'truncate') return resized(content, change.size)
  const { offset, bytes } = change
  const grown = resized(content, Math.max(content.length, offset + bytes.length))
  bytes.copy(grown, offset)
  return grown
}

function resized(content: Buffer<ArrayBuffer>, size: number): Buffer<ArrayBuffer> {
  if (size <= content.length) return content.subarray(0, size)
  return Buffer.concat([content], size)
}
