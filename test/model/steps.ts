import type { Assignment } from '../../src/buffer/buffer.ts'
import {
  batchAt,
  type Fault,
  FORGOTTEN,
  INTRUDER,
  type IngressState,
  MODEL_WINDOW,
  PLACEHOLDER,
  type Rules,
  type State,
} from './state.ts'

/** One thing that can happen in a state: its name, whether it is a fault, and the state after it. */
export interface Step {
  readonly what: string
  readonly fault: boolean
  readonly then: State
}

const ASSIGNED: Assignment = { log: 'log', topic: 'topic', partition: 0, producerId: 1, epoch: 0, epochStart: 0 }
const NO_BYTES = Buffer.alloc(0)

/** Everything that can happen next. Each step is as small as what the code does without letting anybody else in between. */
export function stepsFrom(key: string, rules: Rules): Step[] {
  const state = JSON.parse(key) as State
  const steps: Step[] = []
  const step = (what: string, change: (draft: State) => void) => {
    const then = JSON.parse(key) as State
    change(then)
    steps.push({ what, fault: false, then })
  }
  const fault = (kind: Fault, what: string, change: (draft: State) => void) => {
    if (state.faults[kind] === 0) return
    const then = JSON.parse(key) as State
    then.faults[kind] -= 1
    change(then)
    steps.push({ what: `FAULT ${what}`, fault: true, then })
  }
  gatewaySteps(state, rules, step)
  gatewayFaults(state, rules, fault)
  for (const at of state.ingresses.keys()) {
    ingressSteps(state, at, rules, step)
    ingressFaults(state, at, rules, step, fault)
  }
  logFaults(state, fault)
  return steps
}

type Can = (what: string, change: (draft: State) => void) => void
type Fails = (kind: Fault, what: string, change: (draft: State) => void) => void

function gatewaySteps(state: State, rules: Rules, step: Can): void {
  if (state.frozen) return
  if (state.phase === 'closed') {
    for (const [at, ingress] of state.ingresses.entries()) {
      if (!ingress.stopped) step(`gateway opens session ${state.session + 1} at ingress ${at}`, draft => open(draft, at))
    }
    return
  }
  if (state.phase === 'asking') {
    step('gateway takes in what the core said', draft => takeIn(draft, rules))
    return
  }
  const flight = rules.flight(state)
  const position = state.settled + state.flight.length
  if (state.left > 0 && position === state.cut.length && flight.size < rules.window && !flight.holds) {
    step(`gateway cuts ${state.cut.length}`, draft => {
      draft.cut.push(draft.given)
      draft.given += 1
      draft.left -= 1
    })
  }
  const waiting = flight.waiting()
  if (waiting) step(`gateway sends ${waiting.sequence} again`, draft => send(draft, waiting.sequence))
  else if (!flight.holds && flight.size < rules.window && position < state.cut.length) {
    step(`gateway sends ${position}`, draft => {
      draft.flight.push('w')
      send(draft, position)
    })
  }
  for (const [at, outcome] of state.outcomes.entries()) {
    if (state.outcomes.findIndex(({ session }) => session === outcome.session) !== at) continue
    step(`gateway hears: ${outcome.seq} ${outcome.what} (session ${outcome.session})`, draft => hear(draft, at, rules))
  }
  // Nothing moves for ten seconds: it asks, and the log ends before what is settled.
  if (state.log.length < state.settled)
    step('gateway opens anew: the log ends before what is settled', draft => close(draft, rules))
  // Nothing was accepted for seconds: its ingress may be stopped.
  const ingress = state.ingresses[state.at]
  if (ingress?.stopped || ingress?.session !== state.session || !ingress.open) {
    step('gateway gives its session up', draft => close(draft, rules))
  }
}

function send(draft: State, seq: number): void {
  draft.flight[seq - draft.settled] = 's'
  draft.returned = false
  draft.ingresses[draft.at]?.inbox.push({ seq, holds: draft.cut[seq] ?? PLACEHOLDER, session: draft.session })
}

function hear(draft: State, at: number, rules: Rules): void {
  const [outcome] = draft.outcomes.splice(at, 1)
  if (!outcome || (rules.deaf && outcome.session !== draft.session)) return
  const flight = rules.flight(draft)
  const batch = batchAt(outcome.seq)
  if (!flight.awaits(batch)) return
  if (outcome.what === 'rejected') draft.frozen = 'rejected'
  else if (outcome.what === 'accepted' || !rules.onlyAccepted) {
    draft.flight[outcome.seq - draft.settled] = 'a'
    const settled = flight.markAccepted(batch)
    if (settled !== undefined) {
      draft.flight.splice(0, settled - draft.settled)
      draft.settled = settled
    }
  } else {
    flight.markReturned(batch)
    draft.flight[outcome.seq - draft.settled] = 'w'
    draft.returned = true
  }
  if (draft.flight.every(entry => entry !== 's')) draft.returned = false
}

function close(draft: State, rules: Rules): void {
  if (rules.deaf) draft.outcomes = []
  draft.phase = 'closed'
  draft.told = null
  draft.flight = draft.flight.map(() => 'w')
  draft.returned = false
}

/** The ingress closes the older session first, then reads the end; the answer is on its way after that. */
function open(draft: State, at: number): void {
  const ingress = draft.ingresses[at]
  if (!ingress) return
  draft.session += 1
  draft.at = at
  draft.phase = 'asking'
  Object.assign(ingress, { session: draft.session, open: true })
  draft.told = { end: draft.log.length, last: draft.log.at(-1) ?? null, leader: draft.leader }
}

function takeIn(draft: State, rules: Rules): void {
  const { told } = draft
  if (!told) return
  const { end, last } = told
  draft.told = null
  draft.phase = 'open'
  if (told.leader === draft.leader) draft.cutBack = false
  const own = end > 0 ? draft.cut[end - 1] : undefined
  const decision = rules.decide(
    { assignment: draft.opened ? ASSIGNED : undefined, settled: draft.settled, next: draft.cut.length },
    { assignment: ASSIGNED, end, last: last === null ? null : { sequence: end - 1, count: 1, crc: last } },
    own === undefined || own === FORGOTTEN ? undefined : { sequence: end - 1, count: 1, crc: own },
  )
  switch (decision.kind) {
    case 'freeze':
      draft.frozen = decision.why.code
      return
    case 'assign':
      draft.opened = true
      return
    case 'settle':
      draft.flight.splice(0, Math.max(0, decision.end - draft.settled))
      draft.settled = Math.max(draft.settled, decision.end)
      return
    case 'rewind':
      draft.flight = []
      draft.settled = decision.end
      draft.cut = draft.cut.map((holds, seq) => (seq >= decision.end && holds === FORGOTTEN ? PLACEHOLDER : holds))
  }
}

function gatewayFaults(state: State, rules: Rules, fault: Fails): void {
  if (state.phase !== 'closed') {
    fault('connection lost', 'the connection is lost, with all that is on its way', draft => {
      const ingress = draft.ingresses[draft.at]
      if (ingress) Object.assign(ingress, { inbox: ingress.stopped ? ingress.inbox : [], open: ingress.stopped })
      close(draft, rules)
    })
    fault('connection lost', 'the connection is lost, and the ingress does not see it yet', draft => close(draft, rules))
  }
  fault('gateway killed', 'the gateway is killed', draft => {
    close(draft, rules)
    draft.flight = []
    // What is settled is written now and then.
    draft.settled = draft.cut.lastIndexOf(FORGOTTEN) + 1
    // Without its number on disk a record may give way to a later one, which then gets that number.
    if (!rules.cutOnDisk) draft.cut.length = draft.settled
  })
  const oldest = state.cut.findIndex(holds => holds !== FORGOTTEN)
  if (state.faults['tail lost'] > 0 && oldest >= 0 && oldest < state.settled) {
    fault('tail lost', `the gateway forgets ${oldest}, and the log loses its tail`, draft => {
      draft.cut[oldest] = FORGOTTEN
      loseTail(draft)
    })
  }
}

function ingressSteps(state: State, at: number, rules: Rules, step: Can): void {
  const ingress = state.ingresses[at]
  if (!ingress || ingress.stopped) return
  const change = (what: string, act: (own: IngressState, draft: State) => void) =>
    step(`ingress ${at} ${what}`, draft => {
      const own = draft.ingresses[at]
      if (own) act(own, draft)
    })
  const message = ingress.inbox[0]
  if (message) {
    change(`gets ${message.seq} (session ${message.session})`, own => {
      own.inbox.shift()
      if ((own.open && message.session === own.session) || !rules.takeover) own.queue.push(message)
    })
  }
  const over = state.phase === 'closed' || state.at !== at || state.session !== ingress.session
  if (ingress.open && over) change('sees that its session is over', own => (own.open = false))
  const head = ingress.queue[0]
  if (!head || ingress.pending) return
  const alive = ingress.open && head.session === ingress.session
  if (!alive && rules.takeover) change(`drops ${head.seq}`, own => own.queue.shift())
  else if (ingress.frozen) change(`rejects ${head.seq}`, (_own, draft) => tell(draft, at, 'rejected', rules))
  else if (ingress.end === null || (rules.proofsExpire && !ingress.fresh)) change('reads the end', readEnd)
  else {
    const standing = rules.standing({ sequence: head.seq, count: 1, bytes: NO_BYTES }, ingress.end)
    if (standing === 'stored' && rules.compares && state.log[head.seq] !== head.holds)
      change(`freezes: another's record lies at ${head.seq}`, own => (own.frozen = true))
    else if (standing === 'stored')
      change(`accepts ${head.seq}: it is stored`, (_own, draft) => tell(draft, at, 'accepted', rules))
    else if (standing === 'next') {
      change(`appends ${head.seq}`, (own, draft) => {
        own.pending = { ...head, leader: draft.leader }
      })
    } else if (standing === 'straddles') change('freezes', own => (own.frozen = true))
    else if (!ingress.reread)
      change(`reads the end again for ${head.seq}`, (own, draft) => {
        readEnd(own, draft)
        own.reread = true
      })
    else change(`releases ${head.seq}`, (_own, draft) => tell(draft, at, 'released', rules))
  }
}

function readEnd(own: IngressState, draft: State): void {
  Object.assign(own, { end: draft.log.length, fresh: true })
}

/** The outcome of the head; nobody hears it where its session's connection is gone. */
function tell(draft: State, at: number, what: 'accepted' | 'released' | 'rejected', rules: Rules): void {
  const own = draft.ingresses[at]
  const head = own?.queue.shift()
  if (!own || !head) return
  own.reread = false
  if (rules.deaf && (head.session !== draft.session || draft.phase === 'closed')) return
  draft.outcomes.push({ seq: head.seq, session: head.session, what })
}

/** What is written to the log is judged some time; the ingress may be stopped, or gone, by then. */
function ingressFaults(state: State, at: number, rules: Rules, step: Can, fault: Fails): void {
  const ingress = state.ingresses[at]
  if (!ingress) return
  const { pending } = ingress
  const lose = (draft: State) => giveUp(draft, at, rules)
  if (pending && pending.leader !== state.leader) step(`ingress ${at} wrote to a leader that is none any more`, lose)
  else if (pending) {
    step(`the log answers ingress ${at} for ${pending.seq}`, draft => {
      const offset = judge(draft, pending.seq, pending.holds)
      const isAnothers = rules.compares && offset !== 'refused' && draft.log[offset] !== pending.holds
      answered(draft, at, offset, rules, isAnothers)
    })
    fault('answer lost', `the answer to ingress ${at} for ${pending.seq} is lost`, draft => {
      judge(draft, pending.seq, pending.holds)
      lose(draft)
    })
    fault('request lost', `the request of ingress ${at} for ${pending.seq} is lost`, lose)
  }
  if (ingress.stopped) step(`ingress ${at} wakes`, draft => Object.assign(draft.ingresses[at] ?? {}, { stopped: false }))
  else fault('ingress stopped', `ingress ${at} is stopped`, draft => Object.assign(draft.ingresses[at] ?? {}, { stopped: true }))
  fault('ingress killed', `ingress ${at} is killed`, draft => {
    const dead = draft.ingresses[at]
    if (!dead) return
    // What it had written is judged all the same, unless it was written to a leader that is none any more.
    if (dead.pending?.leader === draft.leader) judge(draft, dead.pending.seq, dead.pending.holds)
    const none = { open: false, stopped: false, inbox: [], queue: [], end: null, fresh: false, reread: false, pending: null }
    Object.assign(dead, { ...none, session: 0, frozen: false })
    if (draft.at === at) close(draft, rules)
  })
}

/** As a partition leader judges a batch of its producer: where it lies then, or that it was refused. */
function judge(draft: State, seq: number, holds: number): number | 'refused' {
  const repeat = draft.memory?.find(known => known === seq)
  if (repeat !== undefined) return repeat
  const newest = draft.memory?.at(-1)
  if (newest !== undefined && seq !== newest + 1) return 'refused'
  draft.log.push(holds)
  draft.memory = [...(draft.memory ?? []), seq].slice(-MODEL_WINDOW)
  return draft.log.length - 1
}

function answered(draft: State, at: number, offset: number | 'refused', rules: Rules, isAnothers: boolean): void {
  const own = draft.ingresses[at]
  if (!own?.pending) return
  const { seq } = own.pending
  own.pending = null
  if (offset === 'refused') {
    own.end = null
    return
  }
  if (isAnothers || (offset !== seq && rules.offsetIsJudge)) {
    own.frozen = true
    return
  }
  own.end = seq + 1
  own.fresh = true
  tell(draft, at, 'accepted', rules)
}

/** It is not known what is stored: releases all that waits, and reads the end again. */
function giveUp(draft: State, at: number, rules: Rules): void {
  const own = draft.ingresses[at]
  if (!own) return
  Object.assign(own, { pending: null, end: null })
  while (own.queue.length > 0) tell(draft, at, 'released', rules)
}

function logFaults(state: State, fault: Fails): void {
  // It takes longer than a proof lasts, or a request may be on its way.
  if (state.memory !== null && state.ingresses.every(({ pending }) => pending === null)) {
    fault('producer forgotten', 'the leader forgets the producer', draft => {
      draft.memory = null
      for (const ingress of draft.ingresses) ingress.fresh = false
    })
  }
  if (state.log.length > 0) fault('tail lost', 'the log loses its tail', loseTail)
  fault('clone', "a copy of the gateway's disk runs as well, and writes what is next", draft => {
    judge(draft, draft.log.length, INTRUDER)
    draft.intruded = true
  })
  fault('intruder', 'somebody else writes', draft => {
    draft.log.push(INTRUDER)
    draft.intruded = true
  })
}

function loseTail(draft: State): void {
  draft.log.pop()
  draft.leader += 1
  draft.cutBack = true
  draft.lost = true
  draft.memory = draft.memory?.filter(seq => seq < draft.log.length) ?? null
  if (draft.memory?.length === 0) draft.memory = null
  for (const ingress of draft.ingresses) Object.assign(ingress, { end: null, fresh: false })
}
