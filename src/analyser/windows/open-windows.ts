import { CountStage } from './count-stage.ts'
import type { WindowSpec } from './options.ts'
import { OrderedWindows } from './ordered-windows.ts'
import { PanedWindows } from './paned-windows.ts'
import type { FieldPlan } from './row.ts'
import { SessionWindows } from './session-windows.ts'
import { SlidingStage } from './sliding-stage.ts'
import type { OnClosed, Windows } from './windows.ts'

export function openWindows(spec: WindowSpec, plan: FieldPlan, onClosed: OnClosed): Windows {
  switch (spec.kind) {
    case 'paned':
      return new PanedWindows(plan, spec, onClosed)
    case 'session':
      return new SessionWindows(plan, spec.gapMs, onClosed)
    case 'count':
      return new OrderedWindows(plan, new CountStage(plan, spec.size, onClosed))
    case 'sliding':
      return new OrderedWindows(plan, new SlidingStage(plan, spec.sizeMs, onClosed))
  }
}

/** How long a window is, for what goes by its length: by default the clock waits as long past its end. */
export function lengthOf(spec: WindowSpec): number {
  if (spec.kind === 'paned' || spec.kind === 'sliding') return spec.sizeMs
  return spec.kind === 'session' ? spec.gapMs : 0
}
