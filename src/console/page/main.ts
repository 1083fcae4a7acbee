import { analysersPage } from './analysers.ts'
import { ApiError, change, get, type Session } from './api.ts'
import { auditPage } from './audit.ts'
import { h, setText } from './dom.ts'
import { jobsPage } from './jobs.ts'
import { Model } from './model.ts'
import { overviewPage } from './overview.ts'
import type { Page, PageMaker } from './page.ts'
import { partitionsPage } from './partitions.ts'
import { pipelinesPage } from './pipelines.ts'
import { sourcePage } from './source.ts'
import type { Message } from './status.ts'
import { Stream } from './stream.ts'

const PAGES: readonly {
  readonly name: string
  readonly label: string
  readonly make: PageMaker
  readonly core?: true
  readonly operator?: true
}[] = [
  { name: '', label: 'Overview', make: overviewPage },
  { name: 'pipelines', label: 'Pipelines', make: pipelinesPage, core: true },
  { name: 'jobs', label: 'Batch jobs', make: jobsPage, core: true },
  { name: 'analysers', label: 'Analysers', make: analysersPage, core: true },
  { name: 'partitions', label: 'Partitions', make: partitionsPage, core: true },
  { name: 'audit', label: 'Changes', make: auditPage, operator: true },
]

/** Before it is tried again, ms. */
const RELOAD_AFTER_MS = 2_000

const content = document.querySelector('#content') as HTMLElement
const nav = document.querySelector('#nav') as HTMLElement
const live = document.querySelector('#live') as HTMLElement

function say(text: string, isWell: boolean): void {
  setText(live, text)
  live.className = isWell ? '' : 'off'
}

async function start(): Promise<void> {
  try {
    run(await get<Session>('/api/session'))
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return showLogin()
    say('no connection', false)
    content.replaceChildren(
      h('div', { class: 'card' }, h('h1', {}, 'This console cannot be reached'), h('p', {}, 'It tries again by itself.')),
    )
    setTimeout(start, RELOAD_AFTER_MS)
  }
}

function run(session: Session): void {
  const model = new Model()
  let page: Page | undefined
  const go = () => {
    page?.leave?.()
    const [name = '', ...args] = location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent)
    const found = name === 'source' ? { make: sourcePage, name } : (PAGES.find(each => each.name === name) ?? PAGES[0])
    if (!found) return
    drawNav(session, found.name)
    page = found.make({ model, session, args })
    document.title = `${page.title} · Headrace`
    content.replaceChildren(page.node)
    // Before the first message nothing is known: nought would be wrong.
    if (model.timeMs > 0) page.update()
  }
  const take = (apply: (message: Message) => void) => (data: string) => {
    apply(JSON.parse(data) as Message)
    say('live', true)
    page?.update()
  }
  new Stream('/api/live', {
    hearers: {
      all: take(message => model.all(message)),
      changes: take(message => model.changes(message)),
      trouble: data => say((JSON.parse(data) as { message: string }).message, false),
    },
    lost(isForGood) {
      say('connection lost, trying again', false)
      // A browser gives a stream up for good where it is refused: the session may be over.
      if (isForGood) setTimeout(() => location.reload(), RELOAD_AFTER_MS)
    },
  })
  addEventListener('hashchange', () => {
    go()
    content.focus()
  })
  go()
}

function drawNav(session: Session, current: string): void {
  const isOperator = session.user.role === 'operator'
  const here = PAGES.filter(({ core, operator }) => (!core || session.sides.includes('core')) && (!operator || isOperator))
  const links = here.map(({ name, label }) =>
    h('a', { href: `#/${name}`, 'aria-current': name === current ? 'page' : undefined }, label),
  )
  const isLocal = session.user.name === 'local'
  const logOut = () => void change('DELETE', '/api/session', session.csrf).finally(() => location.reload())
  nav.replaceChildren(
    ...links,
    ...(isLocal ? [] : [h('button', { type: 'button', click: logOut }, `Log out ${session.user.name}`)]),
  )
}

function showLogin(): void {
  const name = h('input', { name: 'name', autocomplete: 'username', required: true })
  const password = h('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true })
  const said = h('p', { role: 'alert', class: 'state bad', hidden: true })
  const submit = async (event: Event) => {
    event.preventDefault()
    try {
      await change('POST', '/api/session', '', { name: name.value, password: password.value })
      location.reload()
    } catch (error) {
      said.hidden = false
      said.textContent =
        error instanceof ApiError ? [error.message, error.advice].filter(Boolean).join('. ') : 'The console cannot be reached'
    }
  }
  live.textContent = 'not logged in'
  live.className = 'idle'
  content.replaceChildren(
    h(
      'form',
      { class: 'card login', submit: event => void submit(event) },
      h('h1', {}, 'Log in'),
      h('label', {}, 'Name', name),
      h('label', {}, 'Password', password),
      said,
      h('button', { type: 'submit', class: 'primary' }, 'Log in'),
    ),
  )
  name.focus()
}

void start()
