import type { Session } from './api.ts'
import type { Model } from './model.ts'

export interface PageContext {
  readonly model: Model
  readonly session: Session
  /** What stands behind the page's name in the address, decoded. */
  readonly args: readonly string[]
}

/** One page: drawn once, then told each second that the model is another. */
export interface Page {
  readonly title: string
  readonly node: HTMLElement
  update(): void
  /** It is left: streams end. */
  leave?(): void
}

export type PageMaker = (context: PageContext) => Page
