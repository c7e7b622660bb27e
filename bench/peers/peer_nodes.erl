%% Three nodes, each of its own process, and calls to them. This program itself is no node: it
%% steers them over their stdio, and they end when it does.
-module(peer_nodes).
-export([start/0, stop/1, call/4, on_all/4, measure/3]).

start() -> [start_node(Name) || Name <- [a, b, c]].

start_node(Name) ->
    {ok, Peer, Node} = peer:start(#{
        name => Name, host => "127.0.0.1", longnames => true, connection => standard_io,
        args => paths() ++ ["-setcookie", "bench",
                            "-kernel", "inet_dist_use_interface", "{127,0,0,1}",
                            "-kernel", "logger_level", "error"]}),
    {Peer, Node}.

%% CETS is none of ours: where it was built is told from outside.
paths() -> lists:append([["-pa", Path] || Path <- [os:getenv("PEERS_OUT"), os:getenv("CETS_EBIN")],
                                          Path =/= false]).

stop(Nodes) -> [peer:stop(Peer) || {Peer, _} <- Nodes].

call({Peer, _}, Module, Function, Arguments) ->
    peer:call(Peer, Module, Function, Arguments, infinity).

%% Calls a function on every node at the same time.
on_all(Nodes, Module, Function, Arguments) ->
    Self = self(),
    Calls = [begin
                 Ref = make_ref(),
                 spawn_link(fun() -> Self ! {Ref, call(Node, Module, Function, Arguments)} end),
                 Ref
             end || Node <- Nodes],
    [receive {Ref, Result} -> Result end || Ref <- Calls].

%% Runs `load` of a module: Writers on one node, or "3x" so many on each.
measure([Node | _] = Nodes, Module, [Mode, Writers]) ->
    case Writers of
        "3x" ++ Each -> total(on_all(Nodes, Module, load, [Mode, list_to_integer(Each)]));
        _ -> call(Node, Module, load, [Mode, list_to_integer(Writers)])
    end.

%% Rates add up; of the latencies the worst node's count.
total(Results) ->
    maps:map(fun(per_second, _) -> lists:sum([maps:get(per_second, R) || R <- Results]);
                (Metric, _) -> lists:max([maps:get(Metric, R) || R <- Results])
             end, hd(Results)).
