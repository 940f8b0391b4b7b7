// What stands in the page as it is: it inflates the program, which all other scripts are, and runs
// it. Developer tools show that as pylenet.js.

// What deflated bytes in base64 hold; nothing is requested for it.
function inflated(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream();
  return new Response(stream.pipeThrough(new DecompressionStream("deflate-raw")));
}

function failed(error) {
  const check = document.getElementById("check");
  check.textContent = `This page does not run in this browser: ${error.message}`;
  check.classList.add("failed");
}

async function run() {
  const script = document.createElement("script");
  script.textContent = await inflated(document.getElementById("program").textContent).text();
  document.body.append(script);
}

window.pylenet = run().catch(failed); // until it is there, a promise of it
