"""What anatomy says of networks without attention: which axes are hidden units, which are data."""

from __future__ import annotations

from lineage.anatomy import describe
from lineage.types import Part
from lineage.types.facts.exclusions import FixedTable
from tests import model_shapes as shapes


def parts_of(model: shapes.Shapes) -> dict[str, Part]:
    return {name: part for (name, _), part in zip(model, describe(model, {}).parts, strict=True)}


def exchangeable(part: Part) -> tuple[bool, bool]:
    return part.axes[0].exchangeable, part.axes[1].exchangeable


def test_each_small_net_of_ani_has_its_own_hidden_axes_and_data_at_both_ends():
    parts = parts_of(shapes.ani())
    assert {part.component for part in parts.values()} == {"network"}
    assert exchangeable(parts["C.0.weight"]) == (True, False)
    assert exchangeable(parts["C.1.weight"]) == (True, True)
    assert exchangeable(parts["C.3.weight"]) == (False, True)
    assert parts["C.1.weight"].axes[0] == parts["C.2.weight"].axes[1] == parts["C.1.bias"].axes[0]
    assert parts["C.2.weight"].axes[0] != parts["N.2.weight"].axes[0]  # both 96 long
    assert parts["C.2.weight"].layer == 2


def test_crepe_channels_pass_from_one_convolution_to_the_next():
    parts = parts_of(shapes.crepe())
    assert parts["conv3.weight"].role == "conv"
    assert parts["conv3.weight"].axes[0] == parts["conv4.weight"].axes[1] == parts["conv3_BN.running_var"].axes[0]
    assert parts["conv3_BN.running_var"].role == "norm"
    assert exchangeable(parts["conv1.weight"]) == (True, False)
    assert exchangeable(parts["classifier.weight"]) == (False, False)
    assert parts["conv3_BN.num_batches_tracked"].excluded == FixedTable("counter")


def test_heads_beside_each_other_are_no_chain_but_read_one_hidden_axis():
    parts = parts_of(shapes.onet())
    assert exchangeable(parts["dense5.weight"]) == (True, False)
    assert parts["dense5.weight"].axes[0] == parts["dense6_3.weight"].axes[1] == parts["prelu5.weight"].axes[0]
    assert exchangeable(parts["dense6_3.weight"]) == (False, True)
    assert parts["prelu1.weight"].axes[0] == parts["conv1.weight"].axes[0]


def test_resnet_channels_that_are_added_share_one_relabelling():
    parts = parts_of(shapes.resnet())
    stream = parts["layer2.0.downsample.0.weight"].axes[0]
    assert stream.exchangeable
    assert stream == parts["layer2.1.conv2.weight"].axes[0] == parts["layer2.1.conv1.weight"].axes[1]
    assert stream == parts["layer2.0.downsample.1.weight"].axes[0]
    assert parts["layer2.0.conv1.weight"].axes[0] == parts["layer2.0.conv2.weight"].axes[1] != stream
    assert exchangeable(parts["fc.weight"]) == (False, True)
    assert exchangeable(parts["conv1.weight"]) == (True, False)


def test_gates_of_recurrent_layers_stay_in_order():
    parts = parts_of(shapes.voice_detector())
    assert parts["rnn.weight_ih_l0"].role == parts["rnn.weight_hh_l0"].role == "gru"
    assert exchangeable(parts["rnn.weight_ih_l0"]) == (False, True)
    assert exchangeable(parts["rnn.weight_hh_l0"]) == (False, False)
    assert parts["rnn.weight_ih_l0"].axes[1] == parts["encoder.3.weight"].axes[0]
    assert exchangeable(parts["encoder.0.weight"]) == (True, False)
    lstm = parts_of([("lstm_cell.weight_ih", (512, 40)), ("lstm_cell.weight_hh", (512, 128))])
    assert lstm["lstm_cell.weight_hh"].role == "lstm"
    assert exchangeable(lstm["lstm_cell.weight_ih"]) == (False, False)


def test_a_graph_net_keeps_atom_kinds_and_radial_basis_apart_from_its_channels():
    parts = parts_of(shapes.graph_net())
    assert exchangeable(parts["atom_embedding.embedding.weight"]) == (False, True)
    assert exchangeable(parts["composition_model.fc.weight"]) == (False, False)
    for name in ("bond_embedding.weight", "bond_weights_ag.weight", "angle_embedding.weight"):
        assert exchangeable(parts[name]) == (True, False), name
    core = "atom_conv_layers.0.twoBody_atom.mlp_core.layers"
    assert parts[f"{core}.0.weight"].axes[0] == parts[f"{core}.3.weight"].axes[1]
    assert exchangeable(parts[f"{core}.0.weight"]) == (True, False)
    assert parts["mlp.layers.7.weight"].axes[1] == parts["mlp.layers.4.weight"].axes[0]


def test_the_ends_of_an_autoencoder_are_data_although_made_and_read():
    model: shapes.Shapes = []
    for side, sizes in (("encoder", (784, 256, 32)), ("decoder", (32, 256, 784))):
        model += [(f"{side}.{2 * n}.weight", (sizes[n + 1], sizes[n])) for n in range(2)]
    parts = parts_of(model)
    assert exchangeable(parts["encoder.0.weight"]) == (True, False)
    assert exchangeable(parts["decoder.2.weight"]) == (False, True)


def test_a_row_of_equal_square_layers_may_be_parallel_and_settles_nothing():
    parts = parts_of([(f"branch{n}.weight", (64, 64)) for n in range(4)])
    assert not any(axis.exchangeable for part in parts.values() for axis in part.axes)


def test_one_step_that_does_not_fit_breaks_the_whole_chain():
    parts = parts_of([("a.0.weight", (64, 32)), ("a.1.weight", (48, 64)), ("a.2.weight", (16, 40))])
    assert {part.axes[0].label for part in parts.values()} == {"length:64", "length:48", "length:16"}


def test_a_length_named_as_output_is_data():
    model = [("stem.weight", (64, 40)), ("body.weight", (257, 64)), ("mix.weight", (64, 257)), ("spec.weight", (9, 64))]
    parts = parts_of(model)
    assert exchangeable(parts["body.weight"]) == (True, True)
    parts = parts_of([(name.replace("body", "output"), shape) for name, shape in model])
    assert exchangeable(parts["output.weight"]) == (False, True)
    assert exchangeable(parts["mix.weight"]) == (True, False)


def test_transposed_convolutions_store_what_they_read_first():
    parts = parts_of([("upconv1.weight", (64, 32, 4)), ("upconv2.weight", (32, 16, 4)), ("upconv1.bias", (32,))])
    assert parts["upconv1.weight"].role == "conv-transposed"
    assert parts["upconv1.weight"].axes[1] == parts["upconv2.weight"].axes[0] == parts["upconv1.bias"].axes[0]
    assert exchangeable(parts["upconv1.weight"]) == (False, True)


def test_depthwise_convolutions_have_no_units_on_their_one_input():
    model = [("a.conv1.weight", (32, 3, 3, 3)), ("a.dw.weight", (32, 1, 3, 3)), ("a.pw.weight", (16, 32, 1, 1))]
    parts = parts_of(model)
    assert exchangeable(parts["a.dw.weight"]) == (True, False)
    assert exchangeable(parts["a.pw.weight"]) == (False, True)


def test_a_recurrent_autoencoder_shows_no_exit_so_no_length_is_trusted():
    model = [("a.weight", (40, 128)), ("rnn.weight_ih_l0", (512, 40)), ("rnn.weight_hh_l0", (512, 128))]
    parts = parts_of(model)
    assert not any(axis.exchangeable for part in parts.values() for axis in part.axes)


def test_scalars_and_empty_models_have_a_part_each():
    assert describe([], {}).parts == ()
    (part,) = describe([("logit_scale", ())], {}).parts
    assert not any(axis.exchangeable for axis in part.axes)


NAMELESS: shapes.Shapes = [
    ("f1", (40, 3, 5, 5)), ("b1", (40,)), ("f2", (40, 1, 3, 3)), ("f3", (64, 40, 1, 1)), ("b3", (64,)),
    ("f4", (64, 64, 3, 3)), ("b4", (64,)), ("f5", (10, 64, 1, 1)), ("b5", (10,)),
]  # fmt: skip


def test_kernels_whose_names_say_nothing_are_told_by_their_shapes():
    parts = parts_of(NAMELESS)
    assert {parts[f"f{n}"].role for n in range(1, 6)} == {"conv"}
    assert exchangeable(parts["f1"]) == (True, False)  # colours stay
    assert exchangeable(parts["f2"]) == (True, False)
    assert exchangeable(parts["f3"]) == exchangeable(parts["f4"]) == (True, True)
    assert exchangeable(parts["f5"]) == (False, True)  # classes stay
    assert parts["f1"].axes[0] == parts["f2"].axes[0] == parts["f3"].axes[1] != parts["f4"].axes[0]


def test_what_has_four_axes_and_is_no_kernel_stays_unknown():
    model = [*NAMELESS, ("relative_table", (64, 8, 5, 5)), ("grid", (1, 2, 40, 40)), ("window", (40, 64, 16, 16))]
    parts = parts_of(model)
    assert {parts[name].role for name in ("relative_table", "grid", "window")} == {"unknown"}
    assert not any(axis.exchangeable for axis in parts["window"].axes)


def test_a_bias_tells_which_side_of_a_matrix_makes_units():
    model = [("f1", (48, 3, 3, 3)), ("b1", (48,)), ("f2", (96, 48, 3, 3)), ("b2", (96,)), ("fc_w", (96, 10))]
    turned = parts_of([*model, ("fc_b", (10,))])
    assert exchangeable(turned["fc_w"]) == (True, False)
    assert exchangeable(turned["f2"]) == (True, True)
    # Without it 96 seem to be made, and nothing reads what the layer before makes.
    assert exchangeable(parts_of(model)["f2"]) == (False, True)


def test_a_picture_made_from_a_picture_has_colours_at_both_ends():
    model = [("a.weight", (32, 3, 3, 3)), ("b.weight", (64, 32, 3, 3)), ("c.weight", (32, 64, 3, 3))]
    parts = parts_of([*model, ("d.weight", (3, 32, 3, 3))])
    assert exchangeable(parts["a.weight"]) == (True, False)
    assert exchangeable(parts["b.weight"]) == (True, True)
    assert exchangeable(parts["d.weight"]) == (False, True)


def test_one_channel_read_by_many_is_no_picture_and_a_dense_layer_may_hide_pixels():
    depthwise = [("a.weight", (64, 1, 3, 3)), ("b.weight", (64, 64, 1, 1)), ("c.weight", (64, 1, 3, 3))]
    model = [*depthwise, ("d.weight", (1, 64, 1, 1))]
    assert not any(axis.exchangeable for part in parts_of(model).values() for axis in part.axes)
    dense = [("a.weight", (64, 3, 3, 3)), ("b.weight", (3, 64, 3, 3)), ("c.weight", (64, 64))]
    assert not any(axis.exchangeable for part in parts_of(dense).values() for axis in part.axes)


def test_the_only_dense_layer_makes_the_answers_even_where_units_are_as_few():
    squeezed = [("a.w", (32, 3, 3, 3)), ("b.w", (2, 32, 1, 1)), ("c.w", (32, 2, 1, 1)), ("d.w", (48, 32, 3, 3))]
    parts = parts_of([*squeezed, ("fc.w", (2, 48))])
    assert exchangeable(parts["d.w"]) == (True, True)
    assert exchangeable(parts["fc.w"]) == (False, True)
    # Two dense layers may make what others read.
    parts = parts_of([*squeezed, ("fc1.w", (2, 48)), ("fc2.w", (48, 2))])
    assert not any(axis.exchangeable for part in parts.values() for axis in part.axes)


def test_what_the_only_dense_layer_makes_or_reads_is_data_where_units_are_as_many():
    model = [("a.w", (48, 3, 3, 3)), ("b.w", (64, 48, 3, 3)), ("c.w", (48, 64, 3, 3)), ("d.w", (96, 48, 1, 1))]
    parts = parts_of([*model, ("e.w", (64, 96, 3, 3)), ("fc", (64, 96))])
    assert exchangeable(parts["a.w"]) == (True, False)
    assert exchangeable(parts["b.w"]) == (False, True)  # 64 may be the embedding
    assert exchangeable(parts["e.w"]) == exchangeable(parts["fc"]) == (False, False)


def test_a_mask_of_one_channel_is_an_answer_though_depthwise_layers_read_one():
    model = [("a.w", (32, 3, 3, 3)), ("b.w", (32, 1, 3, 3)), ("c.w", (64, 32, 1, 1)), ("d.w", (64, 1, 3, 3))]
    parts = parts_of([*model, ("e.w", (32, 64, 1, 1)), ("f.w", (1, 32, 3, 3))])
    assert exchangeable(parts["c.w"]) == exchangeable(parts["e.w"]) == (True, True)
    assert exchangeable(parts["f.w"]) == (False, True)
    # Of one colour and one mask neither is told from what depthwise layers read.
    grey = [("a.w", (32, 1, 3, 3)), *model[1:], ("e.w", (32, 64, 1, 1)), ("f.w", (1, 32, 3, 3))]
    assert not any(axis.exchangeable for part in parts_of(grey).values() for axis in part.axes)
