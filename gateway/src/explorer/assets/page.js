// The explorer's page. No build and no library: it talks to this gateway as any client does.
const element = (id) => document.getElementById(id);
const [signIn, explorer, answer, cost] = ['sign-in', 'explorer', 'answer', 'cost'].map(element);
let stop = () => {};

async function post(body) {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return response.json();
}

function show(result, append = false) {
  const { extensions, ...rest } = result;
  const text = JSON.stringify(rest, null, 2);
  answer.textContent = append && answer.textContent ? `${text}\n\n${answer.textContent}`.slice(0, 200_000) : text;
  const spent = extensions?.cost;
  cost.textContent = spent
    ? `cost ${spent.actual} of ${spent.requested}, ${spent.throttle.currentlyAvailable} left`
    : '';
}

/** Server-sent events over fetch, since EventSource can't post. */
async function subscribe(body) {
  const abort = new AbortController();
  stop();
  stop = () => abort.abort();
  element('stop').disabled = false;
  answer.textContent = '';
  try {
    const response = await fetch('/graphql/stream', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify(body),
      signal: abort.signal,
    });
    if (!response.ok) return show(await response.json());
    let held = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      held += chunk;
      const events = held.split('\n\n');
      held = events.pop();
      for (const event of events) {
        const data = /^event: next\ndata: (.*)$/m.exec(event)?.[1];
        if (data) show(JSON.parse(data), true);
      }
    }
  } catch (error) {
    if (!abort.signal.aborted) answer.textContent = String(error);
  } finally {
    element('stop').disabled = true;
  }
}

async function run() {
  let variables;
  try {
    variables = JSON.parse(element('variables').value || '{}');
  } catch (error) {
    answer.textContent = `Variables: ${error.message}`;
    return;
  }
  const body = { query: element('query').value, variables };
  if (/^\s*subscription\b/m.test(body.query)) return subscribe(body);
  answer.textContent = '…';
  show(await post(body));
}

const introspection = `{ __schema { types { name kind description fields { name description
  args { name description type { ...T } } type { ...T } } inputFields { name description type { ...T } } enumValues { name description } } } }
  fragment T on __Type { name kind ofType { name kind ofType { name kind ofType { name } } } }`;

const typeText = (type) =>
  type.kind === 'NON_NULL'
    ? `${typeText(type.ofType)}!`
    : type.kind === 'LIST'
      ? `[${typeText(type.ofType)}]`
      : type.name;

function node(tag, text, ...children) {
  const made = document.createElement(tag);
  made.append(...(text === null ? [] : [text]), ...children);
  return made;
}

function typeNode(type) {
  const members = (type.fields ?? type.inputFields ?? type.enumValues ?? []).map((member) => {
    const args = member.args?.length
      ? `(${member.args.map((arg) => `${arg.name}: ${typeText(arg.type)}`).join(', ')})`
      : '';
    const code = node('code', `${member.name}${args}${member.type ? `: ${typeText(member.type)}` : ''}`);
    return node('div', null, code, node('p', member.description ?? ''));
  });
  return node('details', null, node('summary', type.name), node('p', type.description ?? ''), ...members);
}

async function showSchema() {
  const { data } = await post({ query: introspection });
  const types = (data?.__schema.types ?? []).filter(({ name }) => !name.startsWith('__'));
  const first = ['Query', 'Mutation', 'Subscription'];
  types.sort((a, b) => first.includes(b.name) - first.includes(a.name) || a.name.localeCompare(b.name));
  const filter = () => {
    const wanted = element('search').value.toLowerCase();
    const found = types.filter(
      ({ name, fields }) =>
        name.toLowerCase().includes(wanted) || fields?.some((field) => field.name.toLowerCase().includes(wanted)),
    );
    element('schema').replaceChildren(...found.map(typeNode));
  };
  element('search').addEventListener('input', filter);
  filter();
}

async function open() {
  const response = await fetch('/graphiql/examples');
  signIn.hidden = response.ok;
  explorer.hidden = !response.ok;
  if (!response.ok) return;
  const examples = await response.json();
  const apps = await post({ query: '{ apps { id } }' }).catch(() => null);
  const appId = apps?.data?.apps?.[0]?.id ?? '';
  const choose = () => {
    const { query, variables } = examples[Number(element('examples').value)];
    element('query').value = query;
    element('variables').value = JSON.stringify({ ...variables, ...('appId' in variables ? { appId } : {}) }, null, 2);
  };
  element('examples').replaceChildren(
    ...examples.map(({ title }, at) => Object.assign(node('option', title), { value: String(at) })),
  );
  element('examples').addEventListener('change', choose);
  choose();
  await showSchema();
}

signIn.addEventListener('submit', async (event) => {
  event.preventDefault();
  const response = await fetch('/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ apiKey: element('key').value, explorer: true }),
  });
  element('key').value = '';
  element('refusal').textContent = response.ok ? '' : (await response.json()).error.message;
  if (response.ok) await open();
});
element('sign-out').addEventListener('click', async () => {
  await fetch('/session', { method: 'DELETE' });
  location.reload();
});
element('run').addEventListener('click', run);
element('stop').addEventListener('click', () => stop());
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) run();
});
await open();
